//! The registry client against a real registry and against hostile servers of our own.

mod real;
mod server;
