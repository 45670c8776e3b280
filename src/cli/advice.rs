//! What to do about an error. Libraries say what is wrong; the program adds the way out.

use std::io::ErrorKind;

use crate::dockerfile::Problem;
use crate::editor::EditError;
use crate::output::OutputError;
use crate::project::images::ImagesError;
use crate::project::luet::LuetError;
use crate::project::run::RunError;
use crate::recipe::RecipeError;
use crate::recipe::disk::maas::CloudError;
use crate::recipe::steps::StepError;
use crate::uki::keys::KeysError;

/// A sentence for people, where there is something better to say than the error itself.
pub(super) fn for_error(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(error) = cause.downcast_ref::<RunError>() {
            for_run(error)
        } else if let Some(error) = cause.downcast_ref::<RecipeError>() {
            for_recipe(error)
        } else if let Some(advice) = for_registry(cause) {
            Some(advice)
        } else {
            cause.downcast_ref::<std::io::Error>().and_then(|error| for_io(error.kind()))
        }
    })
}

fn for_run(error: &RunError) -> Option<&'static str> {
    match error {
        RunError::Programs { .. } => Some(
            "do that where the base image is made, name that image with BASE_IMAGE, and leave the key out",
        ),
        RunError::NotYet { .. } => Some("--dry-run shows what the target would take in and make"),
        RunError::Images(error) => for_images(error),
        RunError::Recipe(error) => for_recipe(error),
        RunError::Output(error) => for_output(error),
        _ => None,
    }
}

fn for_images(error: &ImagesError) -> Option<&'static str> {
    match error {
        ImagesError::Name { .. } => {
            Some("name an image that is here, such as --BASE_IMAGE=oci:DIR[:TAG]")
        }
        ImagesError::Missing(_) => Some(
            "bring them into the store where there is a network: bootwright fetch --store DIR in the \
             project, or name local images with the keys",
        ),
        ImagesError::NotLocked(_) => Some("add them with bootwright fetch, or leave --locked out"),
        _ => None,
    }
}

fn for_recipe(error: &RecipeError) -> Option<&'static str> {
    Some(match error {
        RecipeError::Output(error) => return for_output(error),
        RecipeError::Write(error) => return for_io(error.kind()),
        RecipeError::Find(_) => {
            "install the missing package in the base image, for example on Debian: \
             linux-image-amd64 dracut shim-signed grub-efi-amd64-signed grub-pc-bin"
        }
        RecipeError::Cloud(_) => {
            "its kernel has to lie in /boot of the root file system itself: of images with a \
             partition for /boot take the variant without, of Ubuntu the .tar.gz"
        }
        RecipeError::CloudImage(error) => return for_cloud_image(error),
        RecipeError::Landing(_) => {
            "name one with --busybox, for example /bin/busybox of Debian's package busybox-static"
        }
        RecipeError::Conflict { .. } => "remove one of the two",
        RecipeError::NotABundle { .. } => {
            "move it out of the folder; everything given has to end up on the medium"
        }
        RecipeError::NoBundle { .. } => "leave --content out, or name the folder with the bundles",
        RecipeError::WrongArchitecture { .. } | RecipeError::WrongMachine { .. } => {
            "name the image's architecture (with --arch, in a project with ARCH), or take an image \
             for the wanted one"
        }
        RecipeError::UnknownArchitecture { .. } => "name it with --arch",
        RecipeError::NotEmpty { .. } => {
            "name a new folder: signatures of another build must not lie among the requests"
        }
        RecipeError::NotSigned { .. } => {
            "run `bootwright sign REQUESTS --keys DIR` where the keys are"
        }
        RecipeError::OtherKey { .. } => "build anew with the certificates of these keys",
        RecipeError::SpecialFile { .. } => "remove it from the folder given with --overlay-iso",
        RecipeError::Dockerfile(error) => return for_dockerfile(&error.problem),
        RecipeError::Step(StepError::Edit(EditError::Missing { .. })) => {
            "take a base image made for Kairos, or COPY the file in the Dockerfile"
        }
        RecipeError::Keys(KeysError::Missing { .. }) => {
            "make keys with `bootwright +uki-genkey` (or `bootwright genkey`), or complete the folder"
        }
        RecipeError::Keys(KeysError::Key { .. } | KeysError::Certificate { .. }) => {
            "put a file in PEM form in its place, or make new keys with `bootwright +uki-genkey`"
        }
        RecipeError::Keys(KeysError::Identity { .. }) => {
            "take a certificate that is valid and for this key, or make new keys with \
             `bootwright +uki-genkey`"
        }
        RecipeError::Kubernetes(source) => return for_luet(source.downcast_ref::<LuetError>()?),
        _ => return None,
    })
}

fn for_dockerfile(problem: &Problem) -> Option<&'static str> {
    Some(match problem {
        Problem::NoSource { .. } => {
            "put it into the project's folder, which is the context, or take the instruction out"
        }
        Problem::EmptyBase { .. } => {
            "write ARG BASE and FROM $BASE: BASE_IMAGE is handed over by that name"
        }
        Problem::NoTrustStore { .. } => {
            "run it for the base image's distribution only, as CanvOS's Dockerfile does"
        }
        Problem::NoOrigin { .. } => "correct the name, or bring the image into the store",
        _ => return None,
    })
}

fn for_luet(error: &LuetError) -> Option<&'static str> {
    Some(match error {
        LuetError::NoVersion { .. } | LuetError::NoPackage { .. } => {
            "set K8S_VERSION, or the list in k8s_version.json, to what is there"
        }
        LuetError::Yaml { .. } | LuetError::Checksum { .. } | LuetError::Missing { .. } => {
            "bring the repository's images into the store again, or correct SPECTRO_LUET_REPO"
        }
        _ => return None,
    })
}

fn for_cloud_image(error: &CloudError) -> Option<&'static str> {
    Some(match error {
        CloudError::Format { .. } => {
            "convert a virtual disk first: qemu-img convert -O raw IMAGE IMAGE.raw"
        }
        CloudError::Volume { .. } => {
            "repair a damaged file system or one that was in use (e2fsck -f FILE); one with features \
             that are not read can be given as a tar of its files: tar:FILE"
        }
        CloudError::Table { .. } | CloudError::Damaged { .. } => {
            "repair the partition table (sgdisk -e FILE), or name a file with the file system alone"
        }
        CloudError::NoRoot { .. } | CloudError::Several { .. } => {
            "name a file with the root file system alone"
        }
        _ => return None,
    })
}

#[cfg(not(feature = "registry"))]
fn for_registry(_: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    None
}

#[cfg(feature = "registry")]
fn for_registry(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    use crate::oci::registry::RegistryError;
    Some(match cause.downcast_ref::<RegistryError>()? {
        RegistryError::Connection { source, .. } => return for_connection(&source.to_string()),
        RegistryError::NotFound { .. } => {
            "check the name and the tag; some registries hide what one may not see: log in"
        }
        RegistryError::Denied { anonymous: true, .. } => {
            "log in with `podman login` or `docker login`, or name a file with --authfile"
        }
        RegistryError::Denied { .. } => "check user and password, and what the user may do",
        RegistryError::Helper { .. } => {
            "allow it with --credential-helpers, or name a file with --authfile"
        }
        RegistryError::Missing(_) => "fetch them where there is a network: bootwright fetch IMAGE",
        RegistryError::Status { status: 429, .. } => {
            "wait, log in, or name a mirror with --registry-mirror"
        }
        _ => return None,
    })
}

/// By the words of the TLS library; what it does not say is not guessed.
#[cfg(feature = "registry")]
fn for_connection(cause: &str) -> Option<&'static str> {
    let says = |words: &str| cause.contains(words);
    if says("UnknownIssuer") {
        return Some("name the certificate of its authority with --registry-ca");
    }
    if says("InvalidContentType") || says("corrupt message") {
        return Some("if it is to be talked to without TLS, say so with --insecure-registry");
    }
    if says("fatal alert") {
        return Some("it may want a certificate: --registry-cert and --registry-key");
    }
    None
}

fn for_output(error: &OutputError) -> Option<&'static str> {
    match error {
        OutputError::NotAFile { .. } => Some("name another output, or remove what is there"),
        OutputError::Folder { source, .. } if source.kind() == ErrorKind::AlreadyExists => {
            Some("a file has the folder's name: move it away")
        }
        OutputError::NoSpace { .. } => Some("free space, or name a folder on another file system"),
        _ => None,
    }
}

fn for_io(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::StorageFull => Some("free space, or name a folder on another file system"),
        ErrorKind::FileTooLarge => Some("raise the limit on file sizes (ulimit -f)"),
        ErrorKind::QuotaExceeded => {
            Some("raise the quota, or name a folder on another file system")
        }
        _ => None,
    }
}
