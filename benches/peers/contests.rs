//! Who competes with whom, as values: a contest's entrants are lines of shell.
//!
//! A line that names a variable of [`Workplace`](super::workplace::Workplace) (`$layout`, `$tree`,
//! `$iso` ...) gets it made before anything is measured; `$out` is where the result goes and
//! `$scratch` an empty folder; `$alone` is this program, see [`super::alone`]. Levels are each tool's defaults, blocks have 1 MiB everywhere.

use serde::{Deserialize, Serialize};

use super::goals::Goal;

/// One task.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) name: &'static str,
    /// What every entrant but the steps does.
    pub(crate) task: &'static str,
    /// The first one is what the others are compared with.
    pub(crate) entrants: &'static [Entrant],
    /// What the first one is to reach.
    pub(crate) goals: &'static [Goal],
}

/// One way to do a task.
#[derive(Debug)]
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// Tools without which it is skipped.
    pub(crate) tools: &'static [&'static str],
    /// An option that `bootwright SUBCOMMAND --help` must show, or it is skipped.
    pub(crate) option: Option<(&'static str, &'static str)>,
    pub(crate) line: &'static str,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Ours,
    Peer,
    /// A part of what a peer does, or of what any tool has to do.
    Step,
}

const fn ours(name: &'static str, line: &'static str) -> Entrant {
    Entrant { name, role: Role::Ours, tools: &[], option: None, line }
}

const fn peer(name: &'static str, tools: &'static [&'static str], line: &'static str) -> Entrant {
    Entrant { name, role: Role::Peer, tools, option: None, line }
}

const fn step(name: &'static str, tools: &'static [&'static str], line: &'static str) -> Entrant {
    Entrant { name, role: Role::Step, tools, option: None, line }
}

/// What the installer ISO's pipeline needs.
pub(crate) const PIPELINE: &[&str] =
    &["umoci", "mksquashfs", "mkfs.vfat", "mcopy", "grub-mkimage", "xorriso", "sha256sum"];

/// The root file system alone: every writer from what it reads best.
macro_rules! squashfs {
    ($codec:literal) => {
        Contest {
            name: concat!("squashfs-", $codec),
            task: concat!("the root file system as a squashfs, ", $codec, ", 1 MiB blocks"),
            entrants: &[
                ours(
                    "bootwright, OCI layout",
                    concat!(
                        "exec $bootwright squashfs --base oci:$layout --compression ",
                        $codec,
                        " --output $out"
                    ),
                ),
                ours(
                    "bootwright, folder",
                    concat!(
                        "exec $bootwright squashfs --base dir:$tree --compression ",
                        $codec,
                        " --output $out"
                    ),
                ),
                ours(
                    "bootwright, tar",
                    concat!(
                        "exec $bootwright squashfs --base tar:$tar --compression ",
                        $codec,
                        " --output $out"
                    ),
                ),
                peer(
                    "mksquashfs, folder",
                    &["mksquashfs"],
                    concat!(
                        "exec mksquashfs $tree $out -b 1M -comp ",
                        $codec,
                        " -noappend -no-progress -quiet"
                    ),
                ),
                peer(
                    "gensquashfs, folder",
                    &["gensquashfs"],
                    concat!(
                        "exec gensquashfs --pack-dir $tree --keep-time --keep-xattr --exportable",
                        " --block-size 1048576 --compressor ",
                        $codec,
                        " --quiet $out"
                    ),
                ),
                peer(
                    "tar2sqfs, tar",
                    &["tar2sqfs"],
                    concat!(
                        "exec tar2sqfs --exportable --block-size 1048576 --compressor ",
                        $codec,
                        " --quiet $out <$tar"
                    ),
                ),
            ],
            goals: &[],
        }
    };
}

/// What the UKI ISO's pipeline needs.
const UKI_PIPELINE: &[&str] = &[
    "umoci",
    "cpio",
    "zstd",
    "objdump",
    "objcopy",
    "sbsign",
    "mkfs.vfat",
    "mcopy",
    "xorriso",
    "sha256sum",
];

/// A signed unified kernel image on an ISO; the level is zstd's.
macro_rules! uki {
    ($level:literal) => {
        Contest {
            name: concat!("uki-zstd-", $level),
            task: concat!("an ISO with a signed unified kernel image, zstd ", $level),
            entrants: &[
                Entrant {
                    option: Some(("uki", "--zstd-level")),
                    ..ours(
                        "bootwright",
                        concat!(
                            "exec $bootwright uki --type iso --base oci:$layout --keys $keys",
                            " --stub /usr/lib/systemd/boot/efi/linuxx64.efi.stub",
                            " --systemd-boot /usr/lib/systemd/boot/efi/systemd-bootx64.efi",
                            " --zstd-level ",
                            $level,
                            " --output $scratch --name image"
                        ),
                    )
                },
                peer(
                    "umoci, cpio, zstd, objcopy, sbsign, mcopy, xorriso",
                    UKI_PIPELINE,
                    concat!(
                        "exec $project/tests/peer/uki $layout $keys ",
                        $level,
                        " $scratch/work $out"
                    ),
                ),
                step(
                    "cpio and zstd alone, folder",
                    &["cpio", "zstd"],
                    concat!(
                        "cd $tree && find . | cpio --quiet --create --format newc |",
                        " exec zstd --quiet -",
                        $level,
                        " -T0 -o $out"
                    ),
                ),
            ],
            goals: &[],
        }
    };
}

/// Every contest, in the order in which they are run.
pub(crate) const CONTESTS: &[Contest] = &[
    Contest {
        name: "iso",
        task: "an installer ISO and its checksum from an OCI layout, gzip",
        entrants: &[
            ours(
                "bootwright",
                "exec $bootwright iso --base oci:$layout --output $scratch --name image",
            ),
            peer(
                "umoci, mksquashfs, xorriso, sha256sum",
                PIPELINE,
                "exec $project/tests/peer/iso $layout $scratch/work $out",
            ),
            step("umoci alone", &["umoci"], "exec umoci unpack --image $layout:latest $scratch/b"),
            step(
                "mksquashfs alone, folder",
                &["mksquashfs"],
                "exec mksquashfs $tree $out -b 1M -noappend -no-progress -quiet",
            ),
            step(
                "xorriso alone, folder",
                &["xorriso"],
                "exec xorriso -report_about WARNING -volid COS_LIVE -joliet on -padding 0 \
                 -outdev $out -map $medium /",
            ),
            step("sha256sum alone, ISO", &["sha256sum"], "sha256sum $iso >$scratch/sum"),
        ],
        goals: &[],
    },
    Contest {
        name: "user-data",
        task: "the same ISO with another user-data, the rest being known",
        entrants: &[
            Entrant {
                option: Some(("iso", "--cache")),
                ..ours(
                    "bootwright --cache",
                    "exec $bootwright iso --base oci:$layout --cache $cache --user-data $user_data \
                     --output $scratch --name image",
                )
            },
            step("cp of the ISO", &["cp"], "exec cp $iso $out"),
            step("cp of the ISO, sync", &["cp", "sync"], "cp $iso $out && exec sync $out"),
            step(
                "cp of the ISO, sha256sum",
                &["cp", "sha256sum"],
                "cp $iso $out && sha256sum $out >$scratch/sum",
            ),
        ],
        goals: &[],
    },
    uki!("3"),
    uki!("19"),
    squashfs!("gzip"),
    squashfs!("zstd"),
    squashfs!("lz4"),
    squashfs!("xz"),
    Contest {
        name: "ext4",
        task: "the root file system as an ext4 volume of 1200 MiB, flushed to the disk",
        entrants: &[
            ours("bootwright, folder", "exec $alone --alone ext4 dir:$tree $out 1258291200"),
            ours("bootwright, OCI layout", "exec $alone --alone ext4 oci:$layout $out 1258291200"),
            // Flushes before it ends.
            peer("mke2fs -d, folder", &["mke2fs"], "exec mke2fs -q -t ext4 -d $tree $out 1200M"),
        ],
        goals: &[Goal::Wall { of: "mke2fs -d, folder", times: 0.5 }, MEMORY, WRITTEN],
    },
    Contest {
        name: "fat",
        task: "a FAT32 volume of 1000 MiB with 25 files of 36 MB",
        entrants: &[
            ours("bootwright, folder", "exec $alone --alone fat $files $out 1048576000"),
            peer(
                "mkfs.vfat, mcopy, folder",
                &["mkfs.vfat", "mcopy"],
                "mkfs.vfat -C $out 1024000 && exec mcopy -s -i $out $files ::",
            ),
        ],
        goals: &[Goal::Wall { of: "mkfs.vfat, mcopy, folder", times: 0.6 }, MEMORY, WRITTEN],
    },
    Contest {
        name: "maas",
        task: "a disk for MAAS, compressed, and its checksum, from two unpacked root file systems",
        entrants: &[
            ours(
                "bootwright, folders",
                "exec $bootwright maas --base dir:$tree --cloud-rootfs dir:$tree --output $scratch \
                 --name image",
            ),
            ours(
                "bootwright, OCI layouts",
                "exec $bootwright maas --base oci:$layout --cloud-rootfs oci:$layout --output $scratch \
                 --name image",
            ),
            peer(
                "mke2fs -d, mcopy, dd, gzip -6, sha256sum",
                &["mke2fs", "mkfs.vfat", "mcopy", "sfdisk", "dd", "gzip", "sha256sum"],
                "exec $project/tests/peer/maas $tree $tree $scratch/work $out",
            ),
        ],
        goals: &[
            Goal::Wall { of: "mke2fs -d, mcopy, dd, gzip -6, sha256sum", times: 0.15 },
            Goal::Size { of: "mke2fs -d, mcopy, dd, gzip -6, sha256sum" },
            MEMORY,
            WRITTEN,
        ],
    },
    Contest {
        name: "gz",
        task: "a disk with holes, compressed by gzip",
        entrants: &[
            ours("bootwright, sparse file", "exec $alone --alone gz $disk $out"),
            peer("pigz -6", &["pigz"], "exec pigz -6 --stdout $disk >$out"),
            peer("gzip -6", &["gzip"], "exec gzip -6 --stdout $disk >$out"),
        ],
        goals: &[
            Goal::Wall { of: "pigz -6", times: 0.4 },
            Goal::Size { of: "gzip -6" },
            MEMORY,
            WRITTEN,
        ],
    },
];

/// What every writer of disks keeps to.
const MEMORY: Goal = Goal::Peak { mebibytes: 512.0 };
const WRITTEN: Goal = Goal::Written { times: 1.05 };
