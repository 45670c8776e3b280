//! Whether a program runs without any library (System V ABI, "Object Files" and "Program Loading").

use crate::recipe::Architecture;

/// ELF, 64 bits, least significant byte first.
const MAGIC: &[u8] = b"\x7fELF\x02\x01";
const MACHINE: usize = 18;
const PROGRAM_HEADERS: usize = 32;
const PROGRAM_HEADER_LEN: usize = 54;
const PROGRAM_HEADER_COUNT: usize = 56;
/// The type of the program header that names a program's interpreter: the dynamic linker.
const INTERPRETER: u32 = 3;

/// Why a program does not run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is no program.
    #[error("is no 64-bit ELF program")]
    NotElf,
    /// It is for another machine.
    #[error("is not for {0}")]
    Machine(Architecture),
    /// It is linked dynamically.
    #[error("needs shared libraries, which the landing partition does not have")]
    Dynamic,
}

/// Checks that a program is for `architecture` and static.
pub(super) fn check(program: &[u8], architecture: Architecture) -> Result<(), Problem> {
    if !program.starts_with(MAGIC) {
        return Err(Problem::NotElf);
    }
    let wanted = match architecture {
        Architecture::Amd64 => 62,
        Architecture::Arm64 => 183,
    };
    if u16_at(program, MACHINE).ok_or(Problem::NotElf)? != wanted {
        return Err(Problem::Machine(architecture));
    }
    let headers = headers(program).ok_or(Problem::NotElf)?;
    if headers.contains(&INTERPRETER) {
        return Err(Problem::Dynamic);
    }
    Ok(())
}

/// The types of the program headers.
fn headers(program: &[u8]) -> Option<Vec<u32>> {
    let start = program.get(PROGRAM_HEADERS..PROGRAM_HEADERS + 8)?.first_chunk::<8>()?;
    let start = usize::try_from(u64::from_le_bytes(*start)).ok()?;
    let len = usize::from(u16_at(program, PROGRAM_HEADER_LEN)?);
    let count = usize::from(u16_at(program, PROGRAM_HEADER_COUNT)?);
    let kind = |number: usize| {
        let at = number.checked_mul(len)?.checked_add(start)?;
        program.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
    };
    (0..count).map(kind).collect::<Option<Vec<u32>>>().filter(|found| !found.is_empty())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of program headers alone.
    fn program(machine: u16, headers: &[u32]) -> Vec<u8> {
        let mut program = vec![0; 64 + 56 * headers.len()];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        program[MACHINE..MACHINE + 2].copy_from_slice(&machine.to_le_bytes());
        program[PROGRAM_HEADERS] = 64;
        program[PROGRAM_HEADER_LEN] = 56;
        program[PROGRAM_HEADER_COUNT] = u8::try_from(headers.len()).unwrap();
        for (number, kind) in headers.iter().enumerate() {
            program[64 + 56 * number..][..4].copy_from_slice(&kind.to_le_bytes());
        }
        program
    }

    #[test]
    fn programs_that_run_by_themselves_are_told_from_others() {
        let amd64 = Architecture::Amd64;
        assert_eq!(check(&program(62, &[1, 1, 4]), amd64), Ok(()));
        assert_eq!(check(&program(183, &[1]), Architecture::Arm64), Ok(()));
        assert_eq!(check(&program(183, &[1]), amd64), Err(Problem::Machine(amd64)));
        assert_eq!(check(&program(62, &[6, 3, 1]), amd64), Err(Problem::Dynamic));
        assert_eq!(check(&program(62, &[]), amd64), Err(Problem::NotElf));
        assert_eq!(check(b"#!/bin/sh\n", amd64), Err(Problem::NotElf));
        let whole = program(62, &[1, 3]);
        for len in 0..64 + 56 {
            assert!(check(&whole[..len], amd64).is_err(), "{len}");
        }
        let mut beyond = program(62, &[1]);
        beyond[PROGRAM_HEADERS..PROGRAM_HEADERS + 8].fill(0xFF);
        assert_eq!(check(&beyond, amd64), Err(Problem::NotElf));
    }
}
