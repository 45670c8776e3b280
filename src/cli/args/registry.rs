//! How images come from registries and go there.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::oci::registry::Mirror;
use crate::recipe::Architecture;

/// Of each option by itself: a heading for the struct would be one for all options behind it.
const HEADING: &str = "Registries";

/// What every command that takes `docker://` images understands.
#[derive(Debug, Default, Args)]
pub(crate) struct RegistryArgs {
    /// Folder that keeps the images of registries: an OCI layout that stands in for all of them
    /// [default: bootwright/store in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR", help_heading = HEADING)]
    pub(crate) store: Option<PathBuf>,

    /// Open no connection: all images must be in the store
    #[arg(long, help_heading = HEADING)]
    pub(crate) offline: bool,

    /// Certificates (PEM) of authorities to trust besides the system's. Repeatable
    #[arg(long, value_name = "FILE", action = ArgAction::Append, help_heading = HEADING)]
    pub(crate) registry_ca: Vec<PathBuf>,

    /// Certificate (PEM) to show to registries that ask for one
    #[arg(long, value_name = "FILE", requires = "registry_key", help_heading = HEADING)]
    pub(crate) registry_cert: Option<PathBuf>,

    /// Key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "registry_cert", help_heading = HEADING)]
    pub(crate) registry_key: Option<PathBuf>,

    /// Registry to ask before HOST, which has HOST's images (below PREFIX). Repeatable, asked in
    /// order
    #[arg(
        long,
        value_name = "HOST=MIRROR[/PREFIX]",
        value_parser = mirror,
        action = ArgAction::Append,
        help_heading = HEADING
    )]
    pub(crate) registry_mirror: Vec<(String, Mirror)>,

    /// Registry to talk to without TLS, named as images name it. Repeatable
    #[arg(long, value_name = "HOST[:PORT]", action = ArgAction::Append, help_heading = HEADING)]
    pub(crate) insecure_registry: Vec<String>,

    /// File with credentials [default: $REGISTRY_AUTH_FILE, else podman's auth.json and Docker's
    /// config.json]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(crate) authfile: Option<PathBuf>,

    /// Run the credential helpers (docker-credential-NAME) that those files name
    #[arg(long, help_heading = HEADING)]
    pub(crate) credential_helpers: bool,
}

/// Which images of an index.
#[derive(Debug, Args)]
pub(crate) struct PlatformArgs {
    /// Architecture to take from an image for several [default: this machine's]
    #[arg(long, value_enum, value_name = "ARCH")]
    pub(crate) arch: Option<Architecture>,

    /// Take an image for several architectures whole
    #[arg(long, conflicts_with = "arch")]
    pub(crate) all_platforms: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// Images: docker://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]. Or targets of a project: +TARGET
    /// [default: +build-all-images]
    #[arg(value_name = "IMAGE|+TARGET")]
    pub(crate) images: Vec<OsString>,

    /// Folder of the project [default: .]
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,

    /// Ask registries anew what the names in bootwright.lock mean
    #[arg(long, conflicts_with = "offline")]
    pub(crate) update: bool,

    #[command(flatten)]
    pub(crate) platform: PlatformArgs,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// What to push: a local image (oci:, oci-archive:, docker-archive:), or docker://NAME from the
    /// store or another registry
    #[arg(value_name = "IMAGE")]
    pub(crate) image: OsString,

    /// Where to: docker://HOST[:PORT]/REPOSITORY[:TAG]
    #[arg(value_name = "TARGET")]
    pub(crate) target: OsString,

    #[command(flatten)]
    pub(crate) platform: PlatformArgs,

    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

fn mirror(text: &str) -> Result<(String, Mirror), String> {
    let (host, mirror) = text.split_once('=').ok_or("HOST=MIRROR is needed")?;
    let mirror = mirror.parse::<Mirror>().map_err(|error| error.to_string())?;
    Ok((host.to_ascii_lowercase(), mirror))
}
