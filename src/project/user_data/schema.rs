//! What `user-data` may say. Keys that are missing here are warned about, not refused: every
//! release of the agent and of Kairos brings new ones.

use Shape::{Any, Flag, List, Map, MapOf, Number, OneOf, Secret, Text, Texts};

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// A scalar.
    Text,
    /// A scalar that is never shown.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A list of texts, or one text.
    Texts,
    /// A list of such values.
    List(&'static Shape),
    /// A mapping with these keys.
    Map(&'static [(&'static str, Shape)]),
    /// A mapping from any names to such values.
    MapOf(&'static Shape),
}

pub(super) const ROOT: &[(&str, Shape)] = &[
    ("stylus", Map(STYLUS)),
    ("install", Map(INSTALL)),
    ("stages", MapOf(&List(&Map(STAGE)))),
    ("users", List(&Map(USER))),
    ("ssh_authorized_keys", Texts),
    ("hostname", Text),
    ("write_files", List(&Any)),
    ("runcmd", List(&Any)),
    ("bootcmd", List(&Any)),
    ("chpasswd", Any),
    ("packages", List(&Any)),
    ("ntp", Any),
    ("timezone", Text),
    ("locale", Text),
    ("growpart", Any),
    ("name", Text),
    ("options", Any),
    ("bundles", Any),
    ("env", Any),
    ("kcrypt", Any),
    ("k3s", Any),
    ("k3s-agent", Any),
    ("p2p", Any),
    ("reset", Any),
    ("upgrade", Any),
    ("debug", Flag),
    ("strict", Flag),
];

const STYLUS: &[(&str, Shape)] = &[
    ("site", Map(SITE)),
    (
        "registryCredentials",
        Map(&[("domain", Text), ("username", Text), ("password", Secret), ("insecure", Flag)]),
    ),
    ("externalRegistries", Any),
    ("registryMappingRules", MapOf(&Text)),
    ("managementMode", OneOf(&["central", "local"])),
    ("includeTui", Flag),
    ("disableAutoUpgrade", Flag),
    ("enableMultiNode", Flag),
    ("featureGate", Text),
    ("debug", Flag),
    ("trace", Flag),
    ("path", Text),
    ("localUI", Any),
    ("imageVerification", Any),
    ("audit", Any),
    ("vip", Any),
];

const SITE: &[(&str, Shape)] = &[
    ("paletteEndpoint", Text),
    ("edgeHostToken", Secret),
    ("projectName", Text),
    ("projectUid", Text),
    ("name", Text),
    ("prefix", Text),
    ("tags", MapOf(&Text)),
    ("tagsFromFile", Any),
    ("tagsFromScript", Any),
    ("registrationURL", Text),
    ("network", Map(NETWORK)),
    ("caCerts", List(&Text)),
    ("insecureSkipVerify", Flag),
    ("clusterId", Text),
    ("clusterName", Text),
    ("deviceUIDPaths", Any),
    ("hostUid", Text),
    ("autoRegister", Any),
];

const NETWORK: &[(&str, Shape)] = &[
    ("httpProxy", Text),
    ("httpsProxy", Text),
    ("noProxy", Text),
    ("nameserver", Text),
    ("interfaces", MapOf(&Map(INTERFACE))),
];

const INTERFACE: &[(&str, Shape)] = &[
    ("type", OneOf(&["static", "dhcp"])),
    ("ipAddress", Text),
    ("gateway", Text),
    ("nameserver", Text),
    ("mtu", Number),
    ("vlan", Any),
];

const INSTALL: &[(&str, Shape)] = &[
    ("poweroff", Flag),
    ("reboot", Flag),
    ("auto", Flag),
    ("device", Text),
    ("image", Text),
    ("force", Flag),
    ("no-format", Flag),
    ("eject-cd", Flag),
    ("system", Any),
    ("passive", Any),
    ("recovery-system", Any),
    ("partitions", Any),
    ("extra-partitions", List(&Any)),
    ("extra-dirs-rootfs", Texts),
    ("encrypted_partitions", Texts),
    ("bind_mounts", Texts),
    ("ephemeral_mounts", Texts),
    ("grub_options", Any),
    ("bundles", Any),
    ("env", Any),
    ("source", Text),
];

pub(super) const USER: &[(&str, Shape)] = &[
    ("name", Text),
    ("passwd", Secret),
    ("plain_text_passwd", Secret),
    ("hashed_passwd", Secret),
    ("lock_passwd", Flag),
    ("groups", Texts),
    ("primary_group", Text),
    ("sudo", Any),
    ("shell", Text),
    ("gecos", Text),
    ("homedir", Text),
    ("no_create_home", Flag),
    ("system", Flag),
    ("uid", Any),
    ("ssh_authorized_keys", Texts),
    ("ssh_import_id", Texts),
];

const STAGE: &[(&str, Shape)] = &[
    ("name", Text),
    ("commands", List(&Text)),
    ("files", List(&Any)),
    ("directories", List(&Any)),
    ("users", MapOf(&Map(USER))),
    ("ensure_entities", Any),
    ("delete_entities", Any),
    ("authorized_keys", MapOf(&Texts)),
    ("hostname", Text),
    ("sysctl", MapOf(&Text)),
    ("modules", List(&Text)),
    ("systemctl", Any),
    ("systemd_firstboot", Any),
    ("environment", MapOf(&Text)),
    ("environment_file", Text),
    ("timesyncd", Any),
    ("dns", Any),
    ("datasource", Any),
    ("layout", Any),
    ("git", Any),
    ("downloads", Any),
    ("unpack_images", Any),
    ("packages", Any),
    ("node", Text),
    ("if", Text),
    ("if_files", Any),
    ("if_arch", Text),
    ("if_service_manager", Text),
    ("only_os", Text),
    ("only_os_version", Text),
    ("only_arch", Text),
    ("only_service_manager", Text),
    ("after", Any),
];

/// Stages of Kairos; each may have `.before` or `.after` behind it.
pub(super) const STAGES: &[&str] = &[
    "rootfs",
    "initramfs",
    "boot",
    "fs",
    "network",
    "reconcile",
    "before-install",
    "after-install",
    "after-install-chroot",
    "before-upgrade",
    "after-upgrade",
    "after-upgrade-chroot",
    "before-reset",
    "after-reset",
    "after-reset-chroot",
    "kairos-install.pre",
    "kairos-install.after",
    "kairos-upgrade",
    "kairos-reset",
    "kairos-uki-install.pre",
    "kairos-uki-install.after",
    "kairos-uki-upgrade.pre",
    "kairos-uki-upgrade.after",
    "kairos-uki-reset.pre",
    "kairos-uki-reset.after",
    "provider-info",
    "provider-install",
    "provider-interactive-install",
];
