//! GUID partition tables (UEFI 2.11, chapter 5.3).

mod format;
mod plan;
mod read;
pub mod types;

pub use format::{
    ATTRIBUTE_LEGACY_BIOS_BOOTABLE, ATTRIBUTE_READ_ONLY, ATTRIBUTE_REQUIRED, ENTRY_LEN, NAME_MAX,
};
pub use plan::{ENTRY_COUNT_MAX, ENTRY_COUNT_MIN, Entry, Plan, PlanError, Table};
pub use read::{Copy, Finding, Found, ReadError, read};
