//! Files that come with a checkout of CanvOS and go into root file systems.

use super::super::files::ProjectFile;
use super::super::problem::{Place, Problem};
use super::RootFs;

/// A file of the checkout and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supplied {
    /// Its path in the checkout.
    pub from: &'static str,
    /// Its path in the root file system.
    pub to: &'static str,
    /// Its mode there.
    pub mode: u16,
    /// Which target of CanvOS's puts it there.
    stage: Stage,
    /// Which systems have it.
    kind: Kind,
    /// Whether older checkouts lack it.
    optional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Base,
    Installer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Jetson,
    Uki,
    Maas,
    Cloud,
}

const fn config(from: &'static str, to: &'static str, stage: Stage, kind: Kind) -> Supplied {
    Supplied { from, to, mode: 0o644, stage, kind, optional: false }
}

const fn script(from: &'static str, to: &'static str, kind: Kind) -> Supplied {
    Supplied { mode: 0o755, ..config(from, to, Stage::Installer, kind) }
}

const ALL: &[Supplied] = &[
    config("cloudconfigs/mount.yaml", "/etc/kairos/mount.yaml", Stage::Base, Kind::Jetson),
    config(
        "cloudconfigs/80_stylus_uki.yaml",
        "/etc/kairos/80_stylus_uki.yaml",
        Stage::Base,
        Kind::Uki,
    ),
    config(
        "cloudconfigs/80_stylus_maas.yaml",
        "/system/oem/80_stylus_maas.yaml",
        Stage::Base,
        Kind::Maas,
    ),
    script("cloudconfigs/maas-content.sh", "/opt/spectrocloud/scripts/maas-content.sh", Kind::Maas),
    Supplied {
        optional: true,
        ..script(
            "cloudconfigs/maas-extend-persistent.sh",
            "/opt/spectrocloud/scripts/maas-extend-persistent.sh",
            Kind::Maas,
        )
    },
    config(
        "cloud-images/workaround/grubmenu.cfg",
        "/etc/kairos/branding/grubmenu.cfg",
        Stage::Installer,
        Kind::Cloud,
    ),
    config(
        "cloud-images/workaround/custom-post-reset.yaml",
        "/system/oem/custom-post-reset.yaml",
        Stage::Installer,
        Kind::Cloud,
    ),
    script(
        "cloudconfigs/cloud-content.sh",
        "/opt/spectrocloud/scripts/cloud-content.sh",
        Kind::Cloud,
    ),
    Supplied {
        optional: true,
        ..script(
            "cloudconfigs/cloud-extend-persistent.sh",
            "/opt/spectrocloud/scripts/cloud-extend-persistent.sh",
            Kind::Cloud,
        )
    },
];

/// The paths in a checkout.
pub(in crate::project) fn paths() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|file| file.from)
}

fn of(root: &RootFs, stage: Stage) -> impl Iterator<Item = &'static Supplied> {
    let kinds = [
        (Kind::Jetson, root.jetson),
        (Kind::Uki, root.uki),
        (Kind::Maas, root.maas),
        (Kind::Cloud, root.cloud),
    ];
    let is_of = move |kind| kinds.contains(&(kind, true));
    ALL.iter().filter(move |file| file.stage == stage && is_of(file.kind))
}

/// Those of the target `base-image`.
pub fn for_base(root: &RootFs) -> impl Iterator<Item = &'static Supplied> {
    of(root, Stage::Base)
}

/// Those of the target `iso-image`.
pub fn for_installer(root: &RootFs) -> impl Iterator<Item = &'static Supplied> {
    of(root, Stage::Installer)
}

/// What is wrong with a checkout that a root file system is made of.
pub(super) fn missing(root: &RootFs, there: &[ProjectFile], installer: bool) -> Vec<Problem> {
    let wanted = for_base(root).chain(for_installer(root).filter(move |_| installer));
    let lacks = |file: &&Supplied| {
        !file.optional && !there.iter().any(|known| known.path.as_os_str() == file.from)
    };
    wanted
        .filter(lacks)
        .map(|file| {
            let text = format!("not there; {} of the system comes from it", file.to);
            let help = "copy it from the checkout of CanvOS, which it is a part of";
            Problem::error(Place::file(file.from), text).help(help)
        })
        .collect()
}
