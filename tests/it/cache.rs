//! With a cache or without, the bytes are the same; what is in it is never believed unchecked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::iso_named;
use crate::small;
use crate::tools::{names, run, sha256};

/// A base image, a cache, and folders to build in.
struct Bench {
    folder: tempfile::TempDir,
    base: PathBuf,
}

impl Bench {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let base = small::base_image(folder.path())?;
        Some(Self { folder, base })
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = iso_named(&self.base, &self.folder.path().join("output"), name);
        command.args(arguments);
        command
    }

    fn cached(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(name, arguments);
        command.arg("--cache").arg(self.cache());
        command
    }

    fn digest(&self, name: &str) -> String {
        sha256(&self.folder.path().join(format!("output/{name}.iso")))
    }

    /// Builds with the cache and without it, and compares. Returns what the cached build printed.
    fn compare(&self, arguments: &[&str]) -> String {
        run(&mut self.command("clean", arguments));
        let output = run(&mut self.cached("cached", arguments));
        assert_eq!(self.digest("clean"), self.digest("cached"), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    /// The files in the cache, largest last.
    fn kept(&self) -> Vec<PathBuf> {
        let folder = self.cache().join("1");
        let mut files: Vec<_> = names(&folder).iter().map(|name| folder.join(name)).collect();
        files.sort_by_key(|path| fs::metadata(path).unwrap().len());
        files
    }
}

#[test]
fn whatever_changes_a_cached_build_has_the_bytes_of_a_clean_one() {
    let Some(bench) = Bench::new() else { return };
    let user_data = bench.file("user-data", "#cloud-config\n");
    let user_data = ["--user-data", user_data.to_str().unwrap()];
    assert!(!bench.compare(&[]).contains(" taken from it"));
    assert!(bench.compare(&user_data).contains(" taken from it"));
    bench.file("overlay/etc/motd", "hello\n");
    bench.file("overlay/var/data/7", "shorter than before\n");
    let overlay = bench.folder.path().join("overlay");
    let overlay = ["--overlay-rootfs", overlay.to_str().unwrap()];
    assert!(bench.compare(&overlay).contains(" taken from it"));
    bench.file("overlay/etc/motd", "hallo\n");
    assert!(bench.compare(&overlay).contains(" taken from it"));
    for other in ["zstd:3", "gzip:1", "lz4", "none"] {
        let arguments = ["--compression", other];
        assert!(!bench.compare(&arguments).contains(" taken from it"), "{other}");
        assert!(bench.compare(&arguments).contains(" taken from it"), "{other}");
    }
    let small_blocks = bench.compare(&["--block-size", "64K"]);
    assert!(!small_blocks.contains(" taken from it"));
}

#[test]
fn a_folder_as_base_is_known_by_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/big"), [b'b'; 70_000]).unwrap();
    fs::write(root.join("etc/small"), "one").unwrap();
    let build = |name: &str, cached: bool| {
        let mut command = Command::new(crate::fixture::BOOTWRIGHT);
        command.arg("squashfs").arg("--base").arg(format!("dir:{}", root.display()));
        command.arg("--output").arg(folder.path().join(name)).args(["--block-size", "16K"]);
        if cached {
            command.arg("--cache").arg(folder.path().join("cache"));
        }
        run(&mut command);
        sha256(&folder.path().join(name))
    };
    assert_eq!(build("a", false), build("b", true));
    let time = fs::metadata(root.join("etc/small")).unwrap().modified().unwrap();
    fs::write(root.join("etc/small"), "two").unwrap();
    // The time tells nothing.
    fs::File::open(root.join("etc/small")).unwrap().set_modified(time).unwrap();
    assert_eq!(build("a", false), build("b", true));
}

#[test]
fn damage_in_the_cache_is_noticed_and_mended() {
    let Some(bench) = Bench::new() else { return };
    let user_data = bench.file("user-data", "#cloud-config\n");
    let user_data = ["--user-data", user_data.to_str().unwrap()];
    bench.file("overlay/etc/motd", "hello\n");
    let overlay = bench.folder.path().join("overlay");
    let overlay = ["--overlay-rootfs", overlay.to_str().unwrap()];
    bench.compare(&[]);
    for victim in bench.kept() {
        for arguments in [&user_data, &overlay] {
            let whole = fs::read(&victim).unwrap();
            let mut bytes = whole.clone();
            for at in (0..bytes.len()).step_by(bytes.len() / 8 + 1) {
                bytes[at] ^= 0x10;
            }
            fs::write(&victim, &bytes).unwrap();
            bench.compare(arguments);
            fs::write(&victim, &whole[..whole.len() / 2]).unwrap();
            bench.compare(arguments);
            fs::write(&victim, &whole).unwrap();
        }
    }
    let image = bench.kept().pop().unwrap();
    assert_eq!(image.extension().unwrap(), "squashfs");
    for file in bench.kept().iter().filter(|path| path.extension().unwrap() == "squashfs") {
        let mut bytes = fs::read(file).unwrap();
        bytes[4000] ^= 1;
        fs::write(file, bytes).unwrap();
    }
    let printed = bench.compare(&user_data);
    assert!(printed.contains("an image in the cache is damaged"), "{printed}");
}

#[test]
fn builds_at_the_same_time_share_a_cache() {
    let Some(bench) = Bench::new() else { return };
    let names = ["a", "b", "c", "d"];
    let overlays = names.map(|name| {
        bench.file(&format!("overlay-{name}/etc/motd"), name);
        bench.folder.path().join(format!("overlay-{name}")).display().to_string()
    });
    let builds = || {
        names.iter().zip(&overlays).map(|(name, overlay)| {
            let mut command = bench.cached(name, &["--overlay-rootfs", overlay]);
            // Small enough that each removes what the others made.
            command.args(["--cache-size", "24M"]).args(["--jobs", "1"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
    };
    for _ in 0..2 {
        let running: Vec<_> = builds().collect();
        for mut build in running {
            assert!(build.wait().unwrap().success());
        }
        for (name, overlay) in names.iter().zip(&overlays) {
            run(&mut bench.command("clean", &["--overlay-rootfs", overlay]));
            assert_eq!(bench.digest(name), bench.digest("clean"));
        }
    }
    let len = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let total: u64 = bench.kept().iter().map(len).sum();
    assert!(total <= 24_000_000 + 8 * (1 << 20), "{total}");
}

#[test]
fn a_cache_stays_below_its_size_and_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let Some(bench) = Bench::new() else { return };
    for size in ["1K", "10M"] {
        run(bench.cached("bounded", &[]).args(["--cache-size", size]));
        let total: u64 = bench.kept().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(total <= 10 << 20, "{total}");
    }
    let mode = fs::metadata(bench.cache()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let file: &Path = &bench.file("no-folder", "");
    let output = bench.command("refused", &[]).arg("--cache").arg(file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("no-folder"), "{text}");
}
