//! What an installer finds on its medium, whatever boots it.

use std::path::{Path, PathBuf};

use bootwright_image::Observer;

use super::{Medium, RecipeError, bundle, user_data};

/// Files and folders of the build host for an installer.
#[derive(Clone, Copy, Debug)]
pub(in crate::recipe) struct Inputs<'a> {
    /// Cloud-config: `/config.yaml`.
    pub(in crate::recipe) user_data: Option<&'a Path>,
    /// Edge configuration: `/.edge_custom_config.yaml`.
    pub(in crate::recipe) edge_custom_config: Option<&'a Path>,
    /// Cluster configuration: `/opt/spectrocloud/clusterconfig/spc.tgz`.
    pub(in crate::recipe) cluster_config: Option<&'a Path>,
    /// Folders with content bundles: `/opt/spectrocloud/content/NAME_partNN`.
    pub(in crate::recipe) content: &'a [PathBuf],
}

impl Inputs<'_> {
    /// Checks the files and puts them where the installer looks for them.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub(in crate::recipe) fn add_to(
        &self,
        medium: &mut Medium,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        let spc = &b"opt/spectrocloud/clusterconfig/spc.tgz"[..];
        let files = [
            (self.user_data, &b"config.yaml"[..], 0o600, "--user-data"),
            (self.edge_custom_config, b".edge_custom_config.yaml", 0o644, "--edge-custom-config"),
            (self.cluster_config, spc, 0o644, "--cluster-config"),
        ];
        for (input, place, mode, owner) in files {
            if let Some(input) = input {
                medium.add_host_file(place, mode, input, owner)?;
            }
        }
        for folder in self.content {
            let owner = format!("--content {}", folder.display());
            for part in bundle::parts(folder)? {
                let place = [b"opt/spectrocloud/content/", &part.name[..]].concat();
                medium.add(&place, 0o644, part.blob, &owner)?;
            }
        }
        if let Some(path) = self.user_data {
            user_data::check(path, observer)?;
        }
        Ok(())
    }
}
