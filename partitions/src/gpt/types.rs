//! Well-known partition types.

use crate::Guid;

/// EFI system partition.
pub const EFI_SYSTEM: Guid = from_text(0xC12A_7328_F81F_11D2_BA4B_00A0_C93E_C93B);
/// Linux file system data.
pub const LINUX_FILESYSTEM: Guid = from_text(0x0FC6_3DAF_8483_4772_8E79_3D69_D847_7DE4);
/// Basic data; also what hybrid ISOs call their ISO 9660 partition.
pub const BASIC_DATA: Guid = from_text(0xEBD0_A0A2_B9E5_4433_87C0_68B6_B726_99C7);
/// Holds GRUB's core image on BIOS machines.
pub const BIOS_BOOT: Guid = from_text(0x2168_6148_6449_6E6F_744E_6565_6445_4649);
/// Extended boot loader partition (boot loader specification).
pub const XBOOTLDR: Guid = from_text(0xBC13_C2FF_59E6_4262_A352_B275_FD6F_7172);
/// Linux swap.
pub const LINUX_SWAP: Guid = from_text(0x0657_FD6D_A4AB_43C4_84E5_0933_C84B_4F4F);
/// Root file system of an x86-64 machine (discoverable partitions specification).
pub const ROOT_AMD64: Guid = from_text(0x4F68_BCE3_E8CD_4DB1_96E7_FBCA_F984_B709);
/// Root file system of an arm64 machine (discoverable partitions specification).
pub const ROOT_ARM64: Guid = from_text(0xB921_B045_1DF0_41C3_AF44_4C6F_280D_3FAE);

const fn from_text(digits: u128) -> Guid {
    Guid::from_text_order(digits.to_be_bytes())
}

/// What a type is called, if it is one of those above.
#[must_use]
pub fn name(guid: Guid) -> Option<&'static str> {
    Some(match guid {
        EFI_SYSTEM => "EFI system partition",
        LINUX_FILESYSTEM => "Linux file system",
        BASIC_DATA => "basic data",
        BIOS_BOOT => "BIOS boot",
        XBOOTLDR => "extended boot loader",
        LINUX_SWAP => "Linux swap",
        ROOT_AMD64 => "root file system (x86-64)",
        ROOT_ARM64 => "root file system (arm64)",
        _ => return None,
    })
}

/// Whether a partition of this type says that it holds a root file system.
#[must_use]
pub fn is_root(guid: Guid) -> bool {
    matches!(guid, ROOT_AMD64 | ROOT_ARM64)
}
