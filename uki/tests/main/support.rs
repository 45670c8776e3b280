//! Keys, stubs and files that tests share.

use std::sync::{Arc, LazyLock};

use bootwright_image::Timestamp;
use bootwright_uki::keys::{Validity, self_signed};
use bootwright_uki::signer::{Identity, PrivateKey, RsaBits};

/// 2026-01-01.
pub(crate) const NOW: Timestamp = Timestamp(1_767_225_600);

/// Two keys that every test may use: making them takes longest.
pub(crate) static KEYS: LazyLock<[Arc<PrivateKey>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Arc::new(PrivateKey::generate(RsaBits::Rsa2048).unwrap())));

/// A key with a self-signed certificate.
pub(crate) fn identity(index: usize) -> Identity {
    let key = Arc::clone(&KEYS[index]);
    let serial = [u8::try_from(index).unwrap() + 1; 20];
    let name = format!("Test {index}");
    let certificate = self_signed(&name, Validity::days(NOW, 3650), serial, &*key).unwrap();
    Identity::new(vec![certificate], key).unwrap()
}

/// A 64-bit stub with room for eight more sections: `.text`, `.sbat` and `.sdmagic`.
pub(crate) fn stub() -> Vec<u8> {
    let mut file = vec![0; 0xA00];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3C, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x44, &0x8664_u16.to_le_bytes());
    put(0x46, &3_u16.to_le_bytes());
    put(0x54, &240_u16.to_le_bytes());
    put(0x56, &0x22E_u16.to_le_bytes());
    put(0x58, &0x20B_u16.to_le_bytes());
    for (at, value) in
        [(16, 0x1000), (32, 0x1000), (36, 0x200), (56, 0x4000), (60, 0x400), (108, 16)]
    {
        put(0x58 + at, &u32::to_le_bytes(value));
    }
    put(0x58 + 68, &10_u16.to_le_bytes());
    put(0x58 + 70, &0x160_u16.to_le_bytes());
    let sbat =
        b"sbat,1,SBAT Version,sbat,1,x\nsystemd-stub,1,The systemd Developers,systemd,257,x\n";
    let magic = b"#### LoaderInfo: systemd-stub 257.13 ####";
    let code = [0xC3; 0x1F0];
    let sections: [(&[u8], &[u8], u32); 3] = [
        (b".text", &code, 0x6000_0020),
        (b".sbat", sbat, 0x4000_0040),
        (b".sdmagic", magic, 0x4000_0040),
    ];
    for (index, (name, content, flags)) in sections.into_iter().enumerate() {
        let header = 0x58 + 240 + index * 40;
        let (number, len) = (u32::try_from(index).unwrap(), u32::try_from(content.len()).unwrap());
        put(header, name);
        for (at, value) in [
            (8, len),
            (12, 0x1000 * (number + 1)),
            (16, 0x200),
            (20, 0x400 + 0x200 * number),
            (36, flags),
        ] {
            put(header + at, &value.to_le_bytes());
        }
        put(0x400 + 0x200 * index, content);
    }
    file
}

/// A kernel that UEFI could start, with a release and SBAT levels of its own.
pub(crate) fn kernel() -> Vec<u8> {
    let mut file = stub();
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x20E..0x210].copy_from_slice(&0x180_u16.to_le_bytes());
    file[0x380..0x393].copy_from_slice(b"6.1.0-test (build)\0");
    let sbat = b"sbat,1,SBAT Version,sbat,1,x\nlinux,1,Linux,linux,6.1,x\n\0";
    file[0x600..0x600 + sbat.len()].copy_from_slice(sbat);
    file
}

/// The stub of Debian's systemd-boot-efi, if it is installed.
pub(crate) fn debian_stub() -> Option<Vec<u8>> {
    const PATH: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    let stub = std::fs::read(PATH).ok();
    if stub.is_none() {
        crate::tools::skip(&format!("{PATH} not found"));
    }
    stub
}
