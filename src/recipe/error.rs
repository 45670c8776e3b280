//! Why a recipe failed.

use std::io;
use std::path::PathBuf;

use bootwright_boot::cpio::WriteError as CpioError;
use bootwright_boot::grub::GrubError;
use bootwright_boot::iso9660;
use bootwright_boot::loaders::{FindError, MenuError};
use bootwright_image::{BoxError, ContentError, TreeError};
use bootwright_oci::Error as ReadError;
use bootwright_oci::write::WriteError as OciWriteError;
use bootwright_partitions::{disk, ext, fat};
use bootwright_squashfs::WriteError;
use bootwright_uki::authenticode::AuthenticodeError;
use bootwright_uki::keys::KeysError;
use bootwright_uki::pe::{ParseError as PeError, WriteError as PeWriteError};
use bootwright_uki::signer::SignError;
use bootwright_uki::unified::{BuildError, LaterError};

use super::Architecture;
use super::disk::maas::{CloudError, LandingError};
use super::steps::StepError;
use crate::dockerfile::DockerfileError;
use crate::output::OutputError;

/// Why a recipe failed. Nothing is left behind when one does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The base image or what is laid over it.
    #[error("cannot use the root file system's inputs")]
    Input(#[source] Box<ReadError>),
    /// More was to be made on a foundation while a root file system of it was still there.
    #[error("a root file system of the same foundation is still in use")]
    RootInUse,
    /// A file or folder of the build host.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that an image was to give.
    #[error("{image} has no file {path}")]
    NotInImage {
        /// The image.
        image: String,
        /// The path in it.
        path: String,
    },
    /// A folder or device where a file is needed.
    #[error("{path:?} is not a regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Two inputs for one place.
    #[error("{path} would come from both {first} and {second}")]
    Conflict {
        /// The place on the medium.
        path: String,
        /// Who had it first.
        first: String,
        /// Who wants it too.
        second: String,
    },
    /// A path that the medium cannot have.
    #[error("cannot place {path} on the medium")]
    Place {
        /// The place on the medium.
        path: String,
        /// The cause.
        source: TreeError,
    },
    /// A device, pipe or socket that was to go onto the medium.
    #[error("{path} is a device, pipe or socket; the medium holds files, folders and links")]
    SpecialFile {
        /// The place on the medium.
        path: String,
    },
    /// A file among content bundles that is none.
    #[error("{path:?} is not a content bundle (*.zst)")]
    NotABundle {
        /// The file.
        path: PathBuf,
    },
    /// A content folder without a bundle.
    #[error("{path:?} holds no content bundle (*.zst)")]
    NoBundle {
        /// The folder.
        path: PathBuf,
    },
    /// An input that would have no effect.
    #[error("{input} has no effect: {reason}")]
    Unused {
        /// The input.
        input: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A folder that the system mounts on is something else.
    #[error("the root file system lacks a folder to mount on")]
    MountPoint(#[source] TreeError),
    /// Kernel, initrd or boot loader.
    #[error("the base image cannot boot")]
    Find(#[from] FindError),
    /// Kernel or initrd of the system that boots first on a machine of MAAS.
    #[error("the cloud root file system cannot boot")]
    Cloud(#[source] FindError),
    /// An image of the system that boots first on a machine of MAAS.
    #[error("cannot take the cloud root file system out of an image")]
    CloudImage(#[from] CloudError),
    /// What curtin is to land on.
    #[error("cannot make the landing partition")]
    Landing(#[from] LandingError),
    /// No architecture was given and the image names none that is known.
    #[error("the base image does not say which architecture it is for ({found:?})")]
    UnknownArchitecture {
        /// What it says.
        found: String,
    },
    /// The base image is for another machine than asked for.
    #[error("the base image is for {found}, not for {wanted}")]
    WrongArchitecture {
        /// What the image says.
        found: String,
        /// What was asked for.
        wanted: Architecture,
    },
    /// The label or the kernel arguments.
    #[error("cannot write the boot menu")]
    Menu(#[from] MenuError),
    /// A boot loader that is no PE image.
    #[error("boot loader {path} cannot be read")]
    Pe {
        /// Its path in the image.
        path: String,
        /// The cause.
        source: PeError,
    },
    /// A boot loader for another machine.
    #[error("boot loader {path} is for {found}, not for {wanted}")]
    WrongMachine {
        /// Its path in the image.
        path: String,
        /// What it is for.
        found: String,
        /// What the medium is for.
        wanted: Architecture,
    },
    /// A file that has to be held in memory is larger than it can sensibly be.
    #[error("{path} has {len} bytes; {limit} is the limit for a boot file")]
    TooLarge {
        /// Its path in the image.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The BIOS boot image.
    #[error("cannot assemble the BIOS boot image")]
    Grub(#[from] GrubError),
    /// The EFI system partition.
    #[error("cannot make the EFI system partition")]
    Fat(#[from] fat::PlanError),
    /// The EFI system partition on its way out.
    #[error("cannot write the EFI system partition")]
    FatEmit(#[from] fat::EmitError),
    /// An EFI system partition whose files grow.
    #[error("cannot write the EFI system partition")]
    FatWrite(#[from] fat::WriteError),
    /// An ext file system.
    #[error("cannot plan a file system")]
    ExtPlan(#[from] ext::PlanError),
    /// An ext file system on its way out.
    #[error("cannot write a file system")]
    Ext(#[source] ext::EmitError),
    /// The partition table.
    #[error("cannot lay out the disk")]
    DiskPlan(#[from] disk::PlanError),
    /// A disk on its way out.
    #[error("cannot write the disk")]
    Disk(#[from] disk::EmitError),
    /// The squashfs.
    #[error("cannot write the root file system")]
    Squashfs(#[source] WriteError),
    /// The ISO.
    #[error("cannot write the ISO")]
    Iso(#[source] iso9660::WriteError),
    /// Contents on their way into the squashfs.
    #[error("cannot write the root file system")]
    Content(#[source] ContentError),
    /// The output.
    #[error("cannot write the output")]
    Write(#[from] io::Error),
    /// The output's file.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A program of systemd is missing in the base image.
    #[error("no {name} in the base image; looked in /{tried}")]
    NoProgram {
        /// Its file name.
        name: String,
        /// The folders looked in.
        tried: String,
        /// The option that gives another one.
        option: &'static str,
    },
    /// Nothing can start the system, or two things would.
    #[error("the base image cannot be an initrd: {problem}")]
    Init {
        /// What is wrong.
        problem: &'static str,
    },
    /// A folder for requests with something in it.
    #[error("{path:?} is not empty")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Signatures that were to be made elsewhere are missing.
    #[error("{image} is not signed: {missing} requests in {folder:?} have no signature")]
    NotSigned {
        /// The image's path on the EFI system partition.
        image: String,
        /// How many signatures are missing.
        missing: usize,
        /// The folder with the requests.
        folder: PathBuf,
    },
    /// The keys are not those that the requests are for.
    #[error("{folder:?} asks for signatures by the {role} key {wanted}, the key given is {found}")]
    OtherKey {
        /// The folder with the requests.
        folder: PathBuf,
        /// Which key.
        role: &'static str,
        /// Fingerprint of the key asked for.
        wanted: String,
        /// Fingerprint of the key given.
        found: String,
    },
    /// A request or a signature that was made elsewhere.
    #[error("cannot use requests for signatures")]
    Later(#[from] LaterError),
    /// A signer failed.
    #[error("cannot sign")]
    Signer(#[from] SignError),
    /// An output that is a folder and exists.
    #[error("output {path:?} exists")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder of the output.
    #[error("cannot write {path:?}")]
    Create {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A unified kernel image.
    #[error("cannot build the unified kernel image")]
    Uki(#[from] BuildError),
    /// The archive with the root file system.
    #[error("cannot write the initrd")]
    Cpio(#[source] CpioError),
    /// A PE image in the making.
    #[error("cannot read an image back")]
    PeFile(#[from] PeWriteError),
    /// An Authenticode signature.
    #[error("cannot sign an image")]
    Sign(#[from] AuthenticodeError),
    /// A container image.
    #[error("cannot write the container image")]
    Container(#[from] OciWriteError),
    /// A Dockerfile.
    #[error("cannot apply the Dockerfile")]
    Dockerfile(#[from] Box<DockerfileError>),
    /// A step of a target.
    #[error("the root file system cannot be changed")]
    Step(#[from] StepError),
    /// Kubernetes.
    #[error("cannot get Kubernetes")]
    Kubernetes(#[source] BoxError),
    /// Secure Boot keys.
    #[error("cannot make or use Secure Boot keys")]
    Keys(#[from] KeysError),
    /// The key that signs PCR policies is missing among keys that were brought along.
    #[error("{name} is missing in private-keys: disks are sealed to that key")]
    NoPcrKey {
        /// The file's name.
        name: &'static str,
    },
    /// What the cache had was damaged; it has been removed.
    #[error("an image in the cache is damaged: {}", super::checksum_hex(key))]
    Cache {
        /// The image's key.
        key: [u8; 32],
    },
    /// The observer asked to stop.
    #[error("stopped; nothing was written")]
    Cancelled,
}

impl From<CpioError> for RecipeError {
    fn from(error: CpioError) -> Self {
        match error {
            CpioError::Deliver(ContentError::Cancelled) => Self::Cancelled,
            error => Self::Cpio(error),
        }
    }
}

impl From<ext::EmitError> for RecipeError {
    fn from(error: ext::EmitError) -> Self {
        match error {
            ext::EmitError::Content(error) => error.into(),
            error => Self::Ext(error),
        }
    }
}

impl From<ReadError> for RecipeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Cancelled => Self::Cancelled,
            error => Self::Input(Box::new(error)),
        }
    }
}

impl From<WriteError> for RecipeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Cancelled => Self::Cancelled,
            error => Self::Squashfs(error),
        }
    }
}

impl From<iso9660::WriteError> for RecipeError {
    fn from(error: iso9660::WriteError) -> Self {
        match error {
            iso9660::WriteError::Cancelled => Self::Cancelled,
            error => Self::Iso(error),
        }
    }
}

/// The error of whoever failed, be it the source or the squashfs behind the sink.
impl From<ContentError> for RecipeError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Cancelled => Self::Cancelled,
            ContentError::Sink(cause) => match cause.downcast::<WriteError>() {
                Ok(error) => (*error).into(),
                Err(cause) => Self::Content(ContentError::Sink(cause)),
            },
            ContentError::Source(cause) => match cause.downcast::<ReadError>() {
                Ok(error) => (*error).into(),
                Err(cause) => Self::Content(ContentError::Source(cause)),
            },
            error => Self::Content(error),
        }
    }
}
