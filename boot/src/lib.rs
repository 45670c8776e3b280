//! Boot media: ISO 9660 with Rock Ridge and Joliet, El Torito, hybrid partition tables, GRUB images and boot-loader discovery.

mod boot_info;
pub mod el_torito;
mod hybrid;
pub mod iso9660;
pub mod loaders;

pub use hybrid::PartitionTable;
