//! The registry client against a real registry and against hostile servers of our own.

mod hostile;
mod real;
mod scripted;
mod server;
