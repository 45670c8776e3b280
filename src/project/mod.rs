//! What a project of CanvOS is made of.

pub mod luet;
