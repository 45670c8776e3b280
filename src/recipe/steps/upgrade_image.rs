//! Target `uki-provider-image`: what a system with trusted boot upgrades from. The signed files are
//! in it as files; it is no root file system that boots.

use bootwright_image::{Blob, FileTree};

use super::StepError;
use super::provider_image::{BUNDLED, add_program, copy_from};
use crate::editor::Editor;

/// What goes into the image, beside `etc` of the overlay.
#[derive(Clone, Debug, Default)]
pub struct UpgradeFiles<'a> {
    /// The files of the EFI system partition: `/trusted-boot`.
    pub trusted_boot: Option<&'a FileTree>,
    /// Kubernetes, where the system does not take it as an extension: `/k8s`.
    pub kubernetes: Option<&'a FileTree>,
    /// The agent's image (the stylus framework), for `/etc/kairos/80_stylus.yaml`.
    pub agent: Option<&'a FileTree>,
    /// The base image, for `/usr/bin/kairos-agent`, which carries out the upgrade.
    pub base: Option<&'a FileTree>,
    /// A tree with `luet`, and the program's path there: `/usr/bin/luet`.
    pub luet: Option<(&'a FileTree, &'a str)>,
    /// The content of `/oem/.edge_custom_config.yaml`.
    pub edge_config: Option<Blob>,
}

/// Puts everything in its place, in CanvOS's order.
///
/// # Errors
/// [`StepError`].
pub fn fill(editor: &mut Editor<'_>, files: &UpgradeFiles<'_>) -> Result<(), StepError> {
    const KAIROS_AGENT: &str = "/usr/bin/kairos-agent";
    if let Some((tree, path)) = files.luet {
        add_program(editor, tree, path, "/usr/bin/luet")?;
    }
    if let Some(base) = files.base {
        add_program(editor, base, KAIROS_AGENT, KAIROS_AGENT)?;
    }
    for (tree, folder) in [(files.trusted_boot, "/trusted-boot"), (files.kubernetes, "/k8s")] {
        if let Some(tree) = tree {
            editor.make_directory(folder)?;
            copy_from(editor, tree, "/", folder)?;
        }
    }
    if files.kubernetes.is_some() {
        editor.put(BUNDLED, b""[..].into(), 0o644)?;
    }
    if let Some(content) = &files.edge_config {
        editor.put("/oem/.edge_custom_config.yaml", content.clone(), 0o644)?;
    }
    if let Some(agent) = files.agent {
        const STYLUS: &str = "/etc/kairos/80_stylus.yaml";
        copy_from(editor, agent, STYLUS, STYLUS)?;
    }
    Ok(())
}
