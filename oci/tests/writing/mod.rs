//! Layers and images that are written, read by our own reader and by others.

mod images;
mod layers;
