//! Files for firmware: signature lists and signed variables.

use std::fs::File;
use std::io::{self, Read};

use bootwright_uki::efi::{SignedVariable, Variable, read_lists};

use super::VerifyError;

/// The largest file that is read, in bytes: firmware keeps less.
const LEN_MAX: u64 = 16 << 20;

pub(super) fn check_lists(
    file: &File,
    read: &dyn Fn(io::Error) -> VerifyError,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    count(&bytes(file).map_err(read)?, checks)
}

/// Checks the signature by the certificate that comes with it. Whom to trust is for the firmware to
/// say.
pub(super) fn check_variable(
    file: &File,
    read: &dyn Fn(io::Error) -> VerifyError,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let bytes = bytes(file).map_err(read)?;
    let signed = SignedVariable::parse(&bytes).map_err(VerifyError::Variable)?;
    // The signature is over the variable's name, which stands nowhere else in the file.
    let found = Variable::ALL.into_iter().find(|variable| signed.check(*variable).is_ok());
    let Some(variable) = found else {
        return signed.check(Variable::Db).map_err(VerifyError::Variable);
    };
    let signer = signed.signed.signer();
    checks.push(format!("change of {variable}, signed by {}", signer.subject()));
    count(&signed.content, checks)
}

fn count(lists: &[u8], checks: &mut Vec<String>) -> Result<(), VerifyError> {
    let lists = read_lists(lists).map_err(VerifyError::Lists)?;
    let entries: usize = lists.iter().map(|list| list.entries.len()).sum();
    checks.push(format!("EFI signature lists: {}, entries: {entries}", lists.len()));
    Ok(())
}

fn bytes(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut file)?;
    file.take(LEN_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LEN_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
