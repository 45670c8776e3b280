//! What goes into firmware: the lists of each variable, and their signed forms.

use std::path::Path;

use super::folder::KeyFile;
use super::{ENROLLMENT_FOLDER, Hierarchy, KeysError, MICROSOFT_OWNER};
use crate::certificate::Certificate;
use crate::efi::{
    EfiTime, Entry, Guid, SIGNATURE_X509, SignatureList, VARIABLE_ATTRIBUTES, Variable, read_lists,
    sign_variable, write_lists,
};

/// Lists that firmware held before, to be kept.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// Of `KEK`.
    pub kek: Vec<SignatureList>,
    /// Of `db`.
    pub db: Vec<SignatureList>,
    /// Of `dbx`.
    pub dbx: Vec<SignatureList>,
}

impl Exported {
    /// Reads `exported-keys/{KEK,db,dbx}`, as far as they exist: contents of the variables, with
    /// or without the four bytes of attributes that Linux puts in front.
    ///
    /// # Errors
    /// [`KeysError::File`] and [`KeysError::List`].
    pub fn read(folder: &Path) -> Result<Self, KeysError> {
        let read = |variable: Variable| {
            let path = folder.join(variable.name());
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
                Err(source) => return Err(KeysError::File { path, source }),
            };
            let bare = bytes.strip_prefix(&VARIABLE_ATTRIBUTES.to_le_bytes()).unwrap_or(&bytes);
            read_lists(bare).map_err(|source| KeysError::List { path, source })
        };
        let (kek, db) = (read(Variable::Kek)?, read(Variable::Db)?);
        Ok(Self { kek, db, dbx: read(Variable::Dbx)? })
    }

    fn of(&self, variable: Variable) -> &[SignatureList] {
        match variable {
            Variable::Pk => &[],
            Variable::Kek => &self.kek,
            Variable::Db => &self.db,
            Variable::Dbx => &self.dbx,
        }
    }
}

/// What is enrolled beside the own keys.
#[derive(Clone, Debug)]
pub struct Enrollment {
    /// Owner of the own entries.
    pub owner: Guid,
    /// The time of the signed variables. Firmware takes only later ones than it has.
    pub time: EfiTime,
    /// Microsoft's certificates; see [`microsoft`](super::microsoft).
    pub microsoft: Vec<(Variable, Certificate)>,
    /// What firmware held before.
    pub exported: Exported,
    /// More certificates for `db`, with their owners.
    pub extra_db: Vec<(Guid, Certificate)>,
}

impl Enrollment {
    /// Nothing beside the own keys.
    #[must_use]
    pub fn new(owner: Guid, time: EfiTime) -> Self {
        let (microsoft, extra_db) = (Vec::new(), Vec::new());
        Self { owner, time, microsoft, exported: Exported::default(), extra_db }
    }

    /// The lists of a variable: the own certificate, Microsoft's, what was exported, and more.
    /// An entry that is there already is not put in again.
    fn lists(&self, variable: Variable, own: Option<&Certificate>) -> Vec<SignatureList> {
        let mut lists: Vec<SignatureList> = Vec::new();
        let mut add = |mut list: SignatureList| {
            list.entries.retain(|entry| !holds(&lists, list.kind, entry));
            if !list.entries.is_empty() {
                lists.push(list);
            }
        };
        let certificate = |(owner, certificate)| SignatureList::certificate(owner, certificate);
        own.into_iter().map(|own| certificate((self.owner, own))).for_each(&mut add);
        let microsoft = self.microsoft.iter().filter(|(home, _)| *home == variable);
        microsoft.map(|(_, ms)| certificate((MICROSOFT_OWNER, ms))).for_each(&mut add);
        self.exported.of(variable).iter().cloned().for_each(&mut add);
        if variable == Variable::Db {
            self.extra_db.iter().map(|(owner, c)| certificate((*owner, c))).for_each(&mut add);
        }
        lists
    }
}

fn holds(lists: &[SignatureList], kind: Guid, entry: &Entry) -> bool {
    let same = lists.iter().filter(|list| list.kind == kind);
    same.flat_map(|list| &list.entries).any(|known| known.data == entry.data)
}

/// The files of `enrollment/`: for each variable `.esl`, `.auth` and `.der`, its own certificate;
/// where a variable holds several certificates, each of them as `-N.der` too. `dbx` is there when
/// lists for it were exported.
///
/// # Errors
/// [`KeysError`].
pub fn enrollment_files(
    hierarchy: &Hierarchy,
    enrollment: &Enrollment,
) -> Result<Vec<KeyFile>, KeysError> {
    let mut files = Vec::new();
    for variable in Variable::ALL {
        let own = match variable {
            Variable::Pk => Some(&hierarchy.pk),
            Variable::Kek => Some(&hierarchy.kek),
            Variable::Db => Some(&hierarchy.db),
            Variable::Dbx => None,
        };
        let own = own.map(crate::signer::Identity::certificate);
        let lists = enrollment.lists(variable, own);
        if lists.is_empty() {
            continue;
        }
        let mut add = |name: String, content: Vec<u8>| {
            files.push(KeyFile::public(format!("{ENROLLMENT_FOLDER}/{name}"), content));
        };
        let esl = write_lists(&lists)?;
        let signer = if variable.signer() == Variable::Pk { &hierarchy.pk } else { &hierarchy.kek };
        let auth = sign_variable(variable, &esl, enrollment.time, signer)?;
        add(format!("{variable}.esl"), esl);
        add(format!("{variable}.auth"), auth);
        if let Some(own) = own {
            add(format!("{variable}.der"), own.as_der().to_vec());
        }
        let x509 = lists.iter().filter(|list| list.kind == SIGNATURE_X509);
        let all: Vec<&Entry> = x509.flat_map(|list| &list.entries).collect();
        if all.len() > 1 {
            for (index, entry) in all.into_iter().enumerate() {
                add(format!("{variable}-{index}.der"), entry.data.clone());
            }
        }
    }
    Ok(files)
}
