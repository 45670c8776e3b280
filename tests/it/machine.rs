//! Virtual machines: firmware, a medium, and a serial console whose lines are waited for.
//!
//! Always emulated: virtualisation that a host offers and cannot do (inside other virtual machines,
//! for one) would fail tests that have nothing to do with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::fixture::kept;
use crate::tools::{find, skip, tool};
use crate::tpm::Tpm;

const PATIENCE: Duration = Duration::from_secs(600);
/// Machines that run at a time: each has one processor. With several, the emulator runs them side
/// by side, and a guest's kernel once crashed in a way that no bytes of ours explain.
const SLOTS: usize = 2;
/// The names of a board's files.
const VARIABLES: &str = "variables.fd";
const DISK: &str = "disk.raw";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// UEFI that runs nothing but what Microsoft's keys have signed.
    SecureBoot,
    /// UEFI that has no keys yet and takes the first it is given.
    SetupMode,
    Uefi,
    Bios,
    /// UEFI for arm64, with Microsoft's keys.
    Arm64SecureBoot,
    /// UEFI for arm64, without keys.
    Arm64SetupMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Cd,
    Usb,
    Disk,
}

impl Firmware {
    /// The program and the files that this machine needs.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::SecureBoot => &[
                "qemu-system-x86_64",
                "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
                "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
            ],
            Self::SetupMode => &[
                "qemu-system-x86_64",
                "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
                "/usr/share/OVMF/OVMF_VARS_4M.fd",
            ],
            Self::Uefi => &[
                "qemu-system-x86_64",
                "/usr/share/OVMF/OVMF_CODE_4M.fd",
                "/usr/share/OVMF/OVMF_VARS_4M.fd",
            ],
            Self::Bios => &["qemu-system-x86_64"],
            Self::Arm64SecureBoot => &[
                "qemu-system-aarch64",
                "/usr/share/AAVMF/AAVMF_CODE.ms.fd",
                "/usr/share/AAVMF/AAVMF_VARS.ms.fd",
            ],
            Self::Arm64SetupMode => &[
                "qemu-system-aarch64",
                "/usr/share/AAVMF/AAVMF_CODE.ms.fd",
                "/usr/share/AAVMF/AAVMF_VARS.fd",
            ],
        }
    }

    fn machine(self) -> &'static [&'static str] {
        match self {
            Self::SecureBoot | Self::SetupMode => &[
                "-machine",
                "q35,smm=on",
                "-global",
                "driver=cfi.pflash01,property=secure,value=on",
            ],
            Self::Uefi | Self::Bios => &["-machine", "q35"],
            Self::Arm64SecureBoot | Self::Arm64SetupMode => &["-machine", "virt"],
        }
    }

    /// The processor: plain ones, whose extensions cost an emulator nothing. That of arm64 has no
    /// pointer authentication.
    fn processor(self) -> &'static str {
        if self.is_arm64() { "cortex-a72" } else { "qemu64" }
    }

    /// What a TPM looks like to it.
    fn tpm(self) -> &'static str {
        if self.is_arm64() { "tpm-tis-device" } else { "tpm-tis" }
    }

    fn is_arm64(self) -> bool {
        matches!(self, Self::Arm64SecureBoot | Self::Arm64SetupMode)
    }

    /// Whether it restarts by itself when it has taken keys.
    fn is_setup_mode(self) -> bool {
        matches!(self, Self::SetupMode | Self::Arm64SetupMode)
    }
}

impl Medium {
    fn devices(self, firmware: Firmware) -> &'static [&'static str] {
        match (self, firmware) {
            (Self::Cd, firmware) if firmware.is_arm64() => {
                &["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=medium"]
            }
            (Self::Cd, _) => &["-device", "ide-cd,drive=medium"],
            (Self::Usb, _) => &["-device", "qemu-xhci", "-device", "usb-storage,drive=medium"],
            (Self::Disk, _) => &["-device", "ide-hd,drive=medium"],
        }
    }
}

/// Whether machines of this kind can be had; says what is missing when not.
pub(crate) fn available(firmware: Firmware) -> bool {
    let missing = firmware.needs().iter().find(|need| find(need).is_none());
    if let Some(missing) = missing {
        skip(&format!("{missing} not found"));
    }
    missing.is_none()
}

/// Boots a new machine until all `lines` have been on the serial console; what was there is
/// returned.
pub(crate) fn boot(iso: &Path, firmware: Firmware, medium: Medium, lines: &[&str]) -> String {
    let name = format!("{firmware:?}-{medium:?}").to_lowercase();
    Board::new(&name, firmware).boot(iso, medium, lines)
}

/// What stays when a machine is switched off: the variables of its firmware, its TPM, its disk.
pub(crate) struct Board {
    firmware: Firmware,
    /// Also has the logs, which a failure leaves there.
    folder: PathBuf,
    tpm: Option<Tpm>,
}

impl Board {
    pub(crate) fn new(name: &str, firmware: Firmware) -> Self {
        let folder = kept("boot").join(name);
        // A failure's.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        if let [_, _, variables] = firmware.needs() {
            fs::copy(variables, folder.join(VARIABLES)).unwrap();
        }
        Self { firmware, folder, tpm: None }
    }

    /// A board with a TPM of its own.
    pub(crate) fn with_tpm(mut self) -> Self {
        self.tpm = Some(Tpm::new());
        self
    }

    /// A board with an empty disk of `len` bytes.
    pub(crate) fn with_disk(self, len: u64) -> Self {
        fs::File::create(self.folder.join(DISK)).unwrap().set_len(len).unwrap();
        self
    }

    /// Boots until all `lines` have been on the serial console; what was there is returned.
    pub(crate) fn boot(&self, iso: &Path, medium: Medium, lines: &[&str]) -> String {
        self.boot_until(iso, medium, &|log| {
            lines.iter().find(|line| !log.contains(**line)).map(|line| (*line).to_owned())
        })
    }

    /// The same for lines that have to come one after another.
    pub(crate) fn boot_in_order(&self, iso: &Path, medium: Medium, lines: &[&str]) -> String {
        self.boot_until(iso, medium, &|mut log| {
            for line in lines {
                match log.split_once(line) {
                    Some((_, behind)) => log = behind,
                    None => return Some((*line).to_owned()),
                }
            }
            None
        })
    }

    /// Boots until nothing on the serial console is `absent` any more.
    fn boot_until(
        &self,
        iso: &Path,
        medium: Medium,
        absent: &dyn Fn(&str) -> Option<String>,
    ) -> String {
        let slot = Slot::take();
        let console = self.folder.join("serial.log");
        fs::write(&console, "").unwrap();
        let power = self.tpm.as_ref().map(Tpm::power);
        let mut machine = Machine::start(self, iso, medium, &console);
        let log = machine.wait_for(&console, absent);
        drop((machine, power, slot));
        log
    }

    /// Firmware, and what it remembers.
    fn flash(&self, command: &mut Command) {
        if let [_, code, _] = self.firmware.needs() {
            flash(command, 0, Path::new(code), ",readonly=on");
            flash(command, 1, &self.folder.join(VARIABLES), "");
        }
    }

    fn devices(&self, command: &mut Command) {
        if let Some(tpm) = &self.tpm {
            tpm.attach(command, self.firmware.tpm());
        }
        let disk = self.folder.join(DISK);
        if disk.exists() {
            let drive = format!("if=none,id=disk,format=raw,file={}", disk.display());
            command.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"]);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.folder).unwrap();
        }
    }
}

struct Machine(Child);

impl Machine {
    fn start(board: &Board, iso: &Path, medium: Medium, console: &Path) -> Self {
        let firmware = board.firmware;
        let mut command = tool(firmware.needs()[0]);
        command.args(["-nodefaults", "-display", "none"]);
        // The root file system of a unified kernel image is unpacked into memory.
        let memory = if firmware.is_setup_mode() { "4096" } else { "2048" };
        if !firmware.is_setup_mode() {
            command.arg("-no-reboot");
        }
        command.args(["-m", memory, "-smp", "1", "-cpu", firmware.processor(), "-accel", "tcg"]);
        command.args(["-nic", "none", "-device", "virtio-rng-pci"]);
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.args(firmware.machine());
        if !firmware.is_arm64() {
            command.args(["-device", "VGA"]);
        }
        board.flash(&mut command);
        board.devices(&mut command);
        // Disks are written to by nobody here, but some buses have no read-only disks.
        let access = if medium == Medium::Cd { "media=cdrom,readonly=on" } else { "snapshot=on" };
        command
            .arg("-drive")
            .arg(format!("if=none,id=medium,format=raw,{access},file={}", iso.display()));
        command.args(medium.devices(firmware));
        let errors = fs::File::create(board.folder.join("qemu.log")).unwrap();
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap())
    }

    fn wait_for(&mut self, console: &Path, absent: &dyn Fn(&str) -> Option<String>) -> String {
        let started = Instant::now();
        loop {
            let ended = self.0.try_wait().unwrap();
            let log = String::from_utf8_lossy(&fs::read(console).unwrap()).into_owned();
            let Some(absent) = absent(&log) else { return log };
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "no {absent:?} on the console after {} s ({}); its end ({} has all of it):\n{}",
                started.elapsed().as_secs(),
                ended.map_or("still running".to_owned(), |status| format!("qemu ended: {status}")),
                console.display(),
                tail(&log)
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only for a machine that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn flash(command: &mut Command, unit: u8, file: &Path, more: &str) {
    command
        .arg("-drive")
        .arg(format!("if=pflash,format=raw,unit={unit},file={}{more}", file.display()));
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

static FREE: Mutex<usize> = Mutex::new(SLOTS);
static FREED: Condvar = Condvar::new();

/// The right to run one machine.
struct Slot;

impl Slot {
    fn take() -> Self {
        let mut free = FREED.wait_while(FREE.lock().unwrap(), |free| *free == 0).unwrap();
        *free -= 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        FREED.notify_one();
    }
}
