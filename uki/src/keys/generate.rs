//! New keys. The only place with randomness.

use std::sync::Arc;

use bootwright_image::Timestamp;

use super::folder::KeyFile;
use super::{
    KeysError, PCR_KEY_NAME, PCR_PUBLIC_NAME, PRIVATE_FOLDER, PUBLIC_FOLDER, Validity, self_signed,
};
use crate::efi::{Guid, Variable};
use crate::signer::{Identity, PrivateKey, RsaBits, Signer as _};

/// Characters that a common name has at most, less `-KEK`.
const ORGANISATION_MAX: usize = 60;

/// Who signs what.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// Signs `PK` and `KEK`.
    pub pk: Identity,
    /// Signs `db` and `dbx`.
    pub kek: Identity,
    /// Signs boot loaders and images.
    pub db: Identity,
}

impl Hierarchy {
    /// The three variables that have a key, each with it.
    #[must_use]
    pub fn identities(&self) -> [(Variable, &Identity); 3] {
        [(Variable::Pk, &self.pk), (Variable::Kek, &self.kek), (Variable::Db, &self.db)]
    }

    /// Whether all certificates are valid at that time.
    ///
    /// # Errors
    /// [`KeysError::Identity`], naming the first that is not.
    pub fn check_validity(&self, at: Timestamp) -> Result<(), KeysError> {
        self.identities().into_iter().try_for_each(|(variable, identity)| {
            let role = variable.name();
            identity.check_validity(at).map_err(|source| KeysError::Identity { role, source })
        })
    }

    /// The certificates, for `public-keys/`.
    ///
    /// # Errors
    /// [`KeysError::Encode`].
    pub fn public_files(&self) -> Result<Vec<KeyFile>, KeysError> {
        let file = |(variable, identity): (Variable, &Identity)| {
            let path = format!("{PUBLIC_FOLDER}/{variable}.pem");
            let chain = std::iter::once(identity.certificate()).chain(identity.chain());
            let pem: String =
                chain.map(crate::certificate::Certificate::to_pem).collect::<Result<_, _>>()?;
            Ok(KeyFile::public(path, pem.into_bytes()))
        };
        self.identities().into_iter().map(file).collect()
    }
}

/// Keys that were just made.
#[derive(Debug)]
pub struct Generated {
    /// The keys with their certificates.
    pub hierarchy: Hierarchy,
    /// The key for PCR policies.
    pub pcr: Arc<PrivateKey>,
    keys: [(Variable, Arc<PrivateKey>); 3],
}

impl Generated {
    /// All keys and certificates, for `private-keys/` and `public-keys/`. Contents are wiped when
    /// dropped.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn files(&self) -> Result<Vec<KeyFile>, KeysError> {
        let named = self.keys.iter().map(|(variable, key)| (format!("{variable}.key"), key));
        let all = named.chain([(PCR_KEY_NAME.to_owned(), &self.pcr)]);
        let private = all.map(|(name, key)| {
            Ok(KeyFile::private(format!("{PRIVATE_FOLDER}/{name}"), key.to_pem()?.as_bytes()))
        });
        let mut files = private.collect::<Result<Vec<_>, KeysError>>()?;
        files.extend(self.hierarchy.public_files()?);
        let public = self.pcr.public_key().to_pem()?.into_bytes();
        files.push(KeyFile::public(format!("{PUBLIC_FOLDER}/{PCR_PUBLIC_NAME}"), public));
        Ok(files)
    }
}

/// Makes PK, KEK and db, each with a self-signed certificate `CN=ORGANISATION-NAME`, and the key
/// for PCR policies, which has 2048 bits: TPMs take no longer ones everywhere.
///
/// # Errors
/// [`KeysError`].
pub fn generate(
    organisation: &str,
    bits: RsaBits,
    validity: Validity,
) -> Result<Generated, KeysError> {
    let len = organisation.chars().count();
    if !(1..=ORGANISATION_MAX).contains(&len) {
        return Err(KeysError::Organisation { name: organisation.to_owned(), len });
    }
    let make = |variable: Variable| -> Result<_, KeysError> {
        let key = Arc::new(PrivateKey::generate(bits)?);
        let name = format!("{organisation}-{variable}");
        let certificate = self_signed(&name, validity, random()?, &*key)?;
        let identity = Identity::new(vec![certificate], Arc::clone(&key) as _)
            .map_err(|source| KeysError::Identity { role: variable.name(), source })?;
        Ok((identity, (variable, key)))
    };
    let ((pk, pk_key), (kek, kek_key), (db, db_key)) =
        (make(Variable::Pk)?, make(Variable::Kek)?, make(Variable::Db)?);
    Ok(Generated {
        hierarchy: Hierarchy { pk, kek, db },
        pcr: Arc::new(PrivateKey::generate(RsaBits::Rsa2048)?),
        keys: [pk_key, kek_key, db_key],
    })
}

/// A new owner for the entries of signature lists.
///
/// # Errors
/// [`KeysError::Random`].
pub fn random_guid() -> Result<Guid, KeysError> {
    Ok(Guid::from_random(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], KeysError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeysError::Random)?;
    Ok(bytes)
}
