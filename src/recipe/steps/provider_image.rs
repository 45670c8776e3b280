//! Target `provider-image`: the root file system that a cluster's nodes run.

use bootwright_image::{Blob, FileTree};
use bootwright_oci::{Graft, Location, Overwrite};

use super::StepError;
use super::layers::lay_over;
use crate::editor::Editor;

/// Tells the agent that Kubernetes and the provider came with the image.
pub(super) const BUNDLED: &str = "/etc/spectro-sysext/k8s-and-agent-provider-bundled";
const OLD_PROVIDERS: &str = "/usr/local/system/providers";
const PROVIDERS: &str = "/system/providers";
/// Where Kubernetes lies on systems with trusted boot.
const K8S: &str = "/opt/k8s";

/// Adds the Kairos provider of a Kubernetes distribution: the image's contents, programs moved to
/// where a read-only system has them, and the mark that they are there.
///
/// # Errors
/// [`StepError`].
pub fn add_provider(editor: &mut Editor<'_>, provider: &FileTree) -> Result<(), StepError> {
    lay_over(editor, provider, "the provider's image")?;
    for name in editor.names(OLD_PROVIDERS) {
        let Ok(name) = String::from_utf8(name) else { continue };
        if name.starts_with("agent-provider-") {
            move_file(editor, &format!("{OLD_PROVIDERS}/{name}"), &format!("{PROVIDERS}/{name}"))?;
        }
    }
    editor.remove(OLD_PROVIDERS);
    Ok(editor.put(BUNDLED, b""[..].into(), 0o644)?)
}

fn move_file(editor: &mut Editor<'_>, from: &str, to: &str) -> Result<(), StepError> {
    let Some(id) = editor.tree.lookup(from.as_bytes()) else { return Ok(()) };
    let inode = editor.tree.inode(id);
    if inode.as_directory().is_some() {
        return Ok(());
    }
    let (kind, metadata) = (inode.kind().clone(), inode.metadata.clone());
    let made = editor.create(to, kind, 0)?;
    *editor.tree.metadata_mut(made) = metadata;
    Ok(())
}

/// What the agent's image gives a provider image, and the site's own configuration.
#[derive(Clone, Debug, Default)]
pub struct AgentConfig<'a> {
    /// The agent's image (the stylus framework).
    pub agent: Option<&'a FileTree>,
    /// The content of `.edge-custom-config.yaml`.
    pub edge_config: Option<Blob>,
}

/// Copies the agent's branding and settings, which an upgrade reads before the agent itself is
/// there: `/etc/kairos/branding`, `/etc/kairos/80_stylus.yaml` where the agent has one,
/// `/oem/stylus_config.yaml` as `/etc/kairos/branding/stylus_config.yaml`, and
/// `/etc/elemental/config.yaml`; then the site's configuration as `/oem/.edge_custom_config.yaml`.
///
/// # Errors
/// [`StepError`].
pub fn configure_agent(editor: &mut Editor<'_>, config: &AgentConfig<'_>) -> Result<(), StepError> {
    if let Some(agent) = config.agent {
        for (from, to) in [
            ("/etc/kairos/branding", "/etc/kairos/branding"),
            ("/etc/kairos/80_stylus.yaml", "/etc/kairos/80_stylus.yaml"),
            ("/oem/stylus_config.yaml", "/etc/kairos/branding/stylus_config.yaml"),
            ("/etc/elemental/config.yaml", "/etc/elemental/config.yaml"),
        ] {
            copy_from(editor, agent, from, to)?;
        }
    }
    if let Some(content) = &config.edge_config {
        editor.put("/oem/.edge_custom_config.yaml", content.clone(), 0o644)?;
    }
    Ok(())
}

/// Copies a file or a directory's contents where the other tree has it.
pub(super) fn copy_from(
    editor: &mut Editor<'_>,
    from: &FileTree,
    source: &str,
    target: &str,
) -> Result<(), StepError> {
    let failed = |source| StepError::Graft { what: "the agent's configuration", source };
    let Ok(Some(id)) = from.resolve(source.as_bytes()) else { return Ok(()) };
    let mut graft = Graft::new(from, Overwrite::Merge, &());
    if from.inode(id).as_directory().is_some() {
        let to = editor.make_directory(target)?;
        return graft.entries(id, editor.tree, to).map_err(failed);
    }
    let (parent, name) = target.rsplit_once('/').unwrap_or(("", target));
    let to = editor.make_directory(parent)?;
    graft.entry(id, editor.tree, to, name.as_bytes()).map_err(failed)
}

/// Copies a program, or warns that it is missing: the image is of use without it.
///
/// # Errors
/// [`StepError`].
pub fn add_program(
    editor: &mut Editor<'_>,
    from: &FileTree,
    source: &str,
    target: &str,
) -> Result<(), StepError> {
    let found = from.resolve(source.as_bytes()).ok().flatten();
    if found.is_none_or(|id| from.inode(id).as_file().is_none()) {
        editor.observer.warn(format_args!("{source} is not in its image: no {target} is added"));
        return Ok(());
    }
    copy_from(editor, from, source, target)?;
    if let Some(id) = editor.find(target) {
        editor.tree.metadata_mut(id).mode = 0o755;
    }
    Ok(())
}

/// For trusted boot: Kubernetes comes as an extension in `/opt/k8s`, and the image has a symbolic
/// link into it for everything in `tree` that is no directory, in directories like those of
/// `tree`. The agent's provider gets its link, too.
///
/// # Errors
/// [`StepError::Taken`], when the image has something in a link's place.
pub fn link_kubernetes(editor: &mut Editor<'_>, tree: &FileTree) -> Result<(), StepError> {
    for walked in tree.walk() {
        let path = String::from_utf8_lossy(&walked.path).into_owned();
        if tree.inode(walked.id).as_directory().is_some() {
            continue;
        }
        let taken = editor.tree.lookup(path.as_bytes()).is_some() || editor.find(&path).is_some();
        if taken {
            return Err(StepError::Taken { path, folder: K8S });
        }
        make_folders(editor, tree, &path)?;
        editor.symlink(&path, &format!("{K8S}/{path}"))?;
    }
    let link = "/usr/local/bin/agent-provider-stylus";
    Ok(editor.symlink(link, "/opt/spectrocloud/bin/agent-provider-stylus")?)
}

/// Makes the directories above `path`, each with the mode that it has in `tree`.
fn make_folders(editor: &mut Editor<'_>, tree: &FileTree, path: &str) -> Result<(), StepError> {
    let failed = |source| StepError::Graft { what: "the Kubernetes tree", source };
    for (at, _) in path.match_indices('/') {
        let folder = &path[..at];
        let location = Location::find(editor.tree, folder.as_bytes()).map_err(failed)?;
        if location.is_directory() {
            continue;
        }
        let id = tree.lookup(folder.as_bytes());
        let mode = id.map_or(0o755, |id| tree.inode(id).metadata.mode);
        let made = editor.make_directory(folder)?;
        editor.tree.metadata_mut(made).mode = mode;
    }
    Ok(())
}
