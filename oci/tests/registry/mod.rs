//! The registry client against a real registry and against hostile servers of our own.

mod elsewhere;
mod honest;
mod hostile;
mod real;
mod scripted;
mod server;
