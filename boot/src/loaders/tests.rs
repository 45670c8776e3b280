use std::process::Command;

use bootwright_image::{Blob, FileTree, Kind, Metadata};

use super::*;

/// A tree of empty files; `a -> b` is a link.
fn tree(entries: &[&str]) -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    for entry in entries {
        let (path, target) = match entry.split_once(" -> ") {
            Some((path, target)) => (path, Some(target)),
            None => (*entry, None),
        };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let directory = Metadata::directory(0o755);
        let parent = tree.add_directories(parent.as_bytes(), &directory).unwrap();
        let kind = match target {
            Some(target) => Kind::Symlink(target.as_bytes().into()),
            None => Kind::File(Blob::from("")),
        };
        tree.add(parent, name.as_bytes(), Metadata::file(0o644), kind).unwrap();
    }
    tree
}

fn targets(loaders: &EfiLoaders) -> Vec<(String, String)> {
    loaders.files().into_iter().map(|file| (file.target, file.source.path)).collect()
}

#[test]
fn the_first_name_decides_and_links_are_followed_inside_the_image() {
    let tree = tree(&[
        "boot/config-6.1",
        "boot/initrd.img-6.1",
        "boot/initrd -> /boot/initrd.img-6.8",
        "boot/initrd.img-6.8",
        "boot/vmlinuz -> vmlinuz-6.8",
        "boot/vmlinuz-6.1",
        "boot/vmlinuz-6.8 -> ../usr/lib/modules/6.8/vmlinuz",
        "usr/lib -> /usr/lib64",
        "usr/lib64/modules/6.8/vmlinuz",
        "boot/Image -> /nowhere",
        "boot/image/dir",
    ]);
    let found = kernel(&tree).unwrap();
    assert_eq!(found.path, "boot/vmlinuz");
    assert_eq!(found.resolved, "usr/lib64/modules/6.8/vmlinuz");
    assert_eq!(tree.lookup(found.resolved.as_bytes()), Some(found.inode));
    assert_eq!(initrd(&tree).unwrap().resolved, "boot/initrd.img-6.8");
}

#[test]
fn a_missing_kernel_is_told_with_all_that_was_tried() {
    assert_eq!(
        kernel(&tree(&["boot/Image -> /nowhere", "boot/a -> a"])).unwrap_err().to_string(),
        "no kernel in /boot: no file's name begins with uImage, Image, zImage, vmlinuz, image \
         (no regular file behind boot/Image)"
    );
    assert_eq!(
        initrd(&tree(&["boot -> boot"])).unwrap_err().to_string(),
        "no initrd in /boot: no file's name begins with initrd, initramfs"
    );
}

/// Files of the image, the machine, and the targets in `EFI/BOOT` with their sources.
type Case<'a> = (&'a [&'a str], Architecture, &'a [(&'a str, &'a str)]);

#[test]
fn each_distributions_loaders_get_the_names_that_its_shim_asks_for() {
    let cases: &[Case<'_>] = &[
        // Debian
        (
            &[
                "usr/lib/shim/shimx64.efi.signed",
                "usr/lib/shim/mmx64.efi.signed",
                "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
                "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
                "usr/lib/grub/x86_64-efi/monolithic/gcdx64.efi",
            ],
            Architecture::Amd64,
            &[
                ("bootx64.efi", "usr/lib/shim/shimx64.efi.signed"),
                ("grubx64.efi", "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
                ("mmx64.efi", "usr/lib/shim/mmx64.efi.signed"),
            ],
        ),
        // Ubuntu
        (
            &[
                "usr/lib/shim/shimaa64.efi.signed.latest",
                "usr/lib/shim/shimaa64.efi.signed -> /etc/alternatives/shim",
                "usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed",
            ],
            Architecture::Arm64,
            &[
                ("bootaa64.efi", "usr/lib/shim/shimaa64.efi.signed.latest"),
                ("grubaa64.efi", "usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed"),
            ],
        ),
        // SUSE
        (
            &[
                "usr/share/efi/x86_64/shim.efi",
                "usr/share/efi/x86_64/grub.efi",
                "usr/share/efi/x86_64/MokManager.efi",
            ],
            Architecture::Amd64,
            &[
                ("bootx64.efi", "usr/share/efi/x86_64/shim.efi"),
                ("grub.efi", "usr/share/efi/x86_64/grub.efi"),
                ("MokManager.efi", "usr/share/efi/x86_64/MokManager.efi"),
            ],
        ),
        // Fedora
        (
            &["boot/efi/EFI/fedora/shim.efi", "boot/efi/EFI/fedora/grubx64.efi"],
            Architecture::Amd64,
            &[
                ("bootx64.efi", "boot/efi/EFI/fedora/shim.efi"),
                ("grubx64.efi", "boot/efi/EFI/fedora/grubx64.efi"),
            ],
        ),
        // Without shim
        (
            &["usr/lib/grub/x86_64-efi/grubx64.efi"],
            Architecture::Amd64,
            &[("bootx64.efi", "usr/lib/grub/x86_64-efi/grubx64.efi")],
        ),
        (
            &["usr/lib/grub/riscv64-efi/monolithic/gcdriscv64.efi"],
            Architecture::Riscv64,
            &[("bootriscv64.efi", "usr/lib/grub/riscv64-efi/monolithic/gcdriscv64.efi")],
        ),
    ];
    for (files, architecture, expected) in cases {
        let loaders = efi(&tree(files), *architecture, Medium::Live).unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|(target, source)| (format!("EFI/BOOT/{target}"), (*source).to_owned()))
            .collect();
        assert_eq!(targets(&loaders), expected);
    }
    // An installed disk takes the other of Debian's two.
    let disk = efi(&tree(cases[0].0), Architecture::Amd64, Medium::Disk).unwrap();
    assert_eq!(disk.grub.path, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed");
}

#[test]
fn missing_loaders_are_told_with_all_paths() {
    let error = efi(&tree(&[]), Architecture::Amd64, Medium::Live).unwrap_err().to_string();
    assert!(
        error.starts_with("no shim and GRUB for amd64: none of /usr/share/efi/x86_64/shim.efi, ")
    );
    assert!(error.contains("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"));
    let only_shim = tree(&["usr/lib/shim/shimx64.efi.signed"]);
    let error = efi(&only_shim, Architecture::Amd64, Medium::Live).unwrap_err().to_string();
    assert!(error.starts_with("no GRUB for amd64: none of /usr/lib/grub/x86_64-efi-signed/gcd"));
    let error = bios(&tree(&["usr/lib/grub/i386-pc/kernel.img"])).unwrap_err().to_string();
    assert!(error.starts_with(
        "no GRUB for BIOS for amd64: none of /usr/lib/grub/i386-pc/cdboot.img, \
         /usr/lib/grub/i386-pc/diskboot.img"
    ));
    assert!(error.ends_with("/usr/share/grub2/i386-pc/eltorito.img"));
}

#[test]
fn grub_for_bios_comes_ready_or_in_parts() {
    let ready = tree(&[
        "usr/lib/grub2/i386-pc -> ../../share/grub2/i386-pc",
        "usr/share/grub2/i386-pc/eltorito.img",
    ]);
    let found = bios(&ready).unwrap();
    assert_eq!(found.eltorito.unwrap().resolved, "usr/share/grub2/i386-pc/eltorito.img");
    assert_eq!((found.parts, found.boot_hybrid), (None, None));

    let names = [
        "cdboot.img",
        "diskboot.img",
        "lzma_decompress.img",
        "kernel.img",
        "moddep.lst",
        "boot_hybrid.img",
        "normal.mod",
        "echo.mod",
    ];
    let paths = names.map(|name| format!("usr/lib/grub/i386-pc/{name}"));
    let tree = tree(&paths.each_ref().map(String::as_str));
    let found = bios(&tree).unwrap();
    assert_eq!(found.directory, "usr/lib/grub/i386-pc");
    assert!(found.eltorito.is_none() && found.boot_hybrid.is_some());
    let parts = found.parts.unwrap();
    let contents: Vec<_> = (0..7).map(|byte| vec![byte]).collect();
    assert_eq!(parts.inodes().len(), 7);
    let files = parts.with_contents(contents.clone()).unwrap();
    assert_eq!((files.cdboot, files.moddep), (vec![0], vec![4]));
    assert_eq!(files.modules["echo"], [5]);
    assert_eq!(parts.with_contents(contents[..6].to_vec()), None);
}

#[test]
fn the_directories_for_the_chain_follow_from_grub() {
    let signed = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
    let both = ["boot/grub", "EFI/BOOT"];
    assert_eq!(
        config_directories(signed, None),
        ["boot/grub", "EFI/BOOT", "EFI/debian", "EFI/ubuntu"]
    );
    assert_eq!(config_directories("usr/share/efi/x86_64/grub.efi", None), both);
    assert_eq!(
        config_directories("boot/efi/EFI/rocky/grubx64.efi", None),
        ["boot/grub", "EFI/BOOT", "EFI/rocky"]
    );
    let image = |prefix: &str| {
        let mut info = b"mimg\0\0\0\0".to_vec();
        info.extend([24_u64, 64].map(u64::to_le_bytes).concat());
        info.extend([3_u32, 40].map(u32::to_le_bytes).concat());
        info.extend(prefix.as_bytes());
        info.resize(64, 0);
        info
    };
    assert_eq!(
        config_directories(signed, Some(&image("/EFI/debian"))),
        ["boot/grub", "EFI/BOOT", "EFI/debian"]
    );
    assert_eq!(config_directories(signed, Some(&image("/boot/grub"))), both);
    assert_eq!(config_directories(signed, Some(&image("(memdisk)/boot/grub"))), both);
    assert_eq!(config_directories(signed, Some(&image("/efi/boot"))), both);
    assert_eq!(config_directories(signed, Some(&image("(cd0)/x/y")))[2], "x/y");
}

/// GRUB's own parser must like the text.
fn script_check(text: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grub.cfg");
    std::fs::write(&path, text).unwrap();
    match Command::new("grub-script-check").arg(&path).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{errors}{text}");
        }
        Err(error) => {
            #[expect(clippy::disallowed_methods, reason = "tests are told to be strict")]
            let in_ci = std::env::var_os("CI").is_some();
            assert!(!in_ci, "grub-script-check: {error}");
            println!("SKIPPED: grub-script-check not found");
        }
    }
}

#[test]
fn grub_accepts_chain_and_menu() {
    assert_eq!(
        chain_config(),
        "search --no-floppy --file --set=root /boot/kernel\n\
         set prefix=($root)/boot/grub2\n\
         configfile $prefix/grub.cfg\n"
    );
    script_check(&chain_config());
    let text = menu(&MenuOptions::default()).unwrap();
    script_check(&text);
    insta::assert_snapshot!(text);
    let odd = MenuOptions {
        title: "Joe's {installer}; $x".to_owned(),
        extend_cmdline: r#"a=b;c  dyndbg="file x +p" d=$e 'f'"#.to_owned(),
        ..MenuOptions::default()
    };
    let text = menu(&odd).unwrap();
    script_check(&text);
    assert!(text.contains(r"menuentry 'Joe'\''s {installer}; $x (manual)'"), "{text}");
    assert!(
        text.contains(r"nouveau.modeset=0 'a=b;c' 'dyndbg=file x +p' 'd=$e' ''\''f'\'''"),
        "{text}"
    );
}

#[test]
fn texts_that_would_break_the_menu_are_refused() {
    let refusal = |change: fn(&mut MenuOptions)| {
        let mut options = MenuOptions::default();
        change(&mut options);
        menu(&options).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(|o| o.label = "COS LIVE".to_owned()),
        r#"label "COS LIVE" has ' ': letters, digits, _, - and . only"#
    );
    assert_eq!(
        refusal(|o| o.title = "a\nb".to_owned()),
        r#"title "a\nb" has '\n': no control characters"#
    );
    assert_eq!(
        refusal(|o| o.extend_cmdline = "a\"b".to_owned()),
        r#"kernel arguments "a\"b" has an odd number of double quotes"#
    );
}
