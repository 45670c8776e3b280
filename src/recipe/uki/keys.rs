//! What signs, and what goes into firmware.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootwright_uki::efi::Variable;
use bootwright_uki::keys::{KeyFolder, KeysError};
use bootwright_uki::signer::{Identity, IdentityError, Placeholder, Signer};

/// Read before any work is done, so that missing and useless keys show at once.
pub(super) struct Keys {
    /// Signs images.
    pub(super) db: Identity,
    /// Signs the boot loader.
    pub(super) loader: Identity,
    /// Signs PCR policies.
    pub(super) pcr: Arc<dyn Signer>,
    /// Names and contents for `loader/keys/auto`.
    pub(super) enrollment: Vec<(String, Vec<u8>)>,
    /// Where requests go when all these only stand for keys that are elsewhere.
    pub(super) requests: Option<PathBuf>,
}

impl Keys {
    /// The keys in `folder`; with `requests`, only their public halves, and whatever is to be
    /// signed is written down there.
    pub(super) fn read(folder: &Path, requests: Option<&Path>) -> Result<Self, KeysError> {
        let folder = KeyFolder::new(folder);
        let enrollment = folder.enrollment()?;
        let Some(requests) = requests else {
            let db = folder.identity(Variable::Db)?;
            let pcr = Arc::new(folder.pcr_key()?);
            return Ok(Self { loader: db.clone(), db, pcr, enrollment, requests: None });
        };
        let (loader, detached) = folder.detached(Variable::Db, requests)?;
        let db = stands_for(&loader, detached.public_key().clone())
            .map_err(|source| KeysError::Identity { role: Variable::Db.name(), source })?;
        let pcr = Arc::new(Placeholder::new(folder.pcr_public_key()?));
        Ok(Self { db, loader, pcr, enrollment, requests: Some(requests.to_owned()) })
    }
}

/// The same certificates with a key that is filled in later.
fn stands_for(
    identity: &Identity,
    public: bootwright_uki::public_key::PublicKey,
) -> Result<Identity, IdentityError> {
    let own = std::iter::once(identity.certificate());
    let certificates = own.chain(identity.chain()).cloned().collect();
    Identity::new(certificates, Arc::new(Placeholder::new(public)))
}
