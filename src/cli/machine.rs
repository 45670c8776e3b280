//! What this process may use of the machine.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Memory for data on its way when nobody says how much.
const MEMORY: u64 = 256 << 20;
/// Control groups in one path before it counts as nonsense.
const DEPTH: usize = 64;

/// The CPUs that affinity and the quotas of control groups allow.
pub(super) fn cpus() -> NonZeroUsize {
    #[expect(
        clippy::disallowed_methods,
        reason = "the number of threads never shows in the output"
    )]
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Memory for data on its way: 256 MiB, or a quarter of what control groups allow, whichever is
/// less. The rest of the quarters is for names and for the compressors' own state.
pub(super) fn default_memory() -> u64 {
    memory_limit(Path::new("/")).map_or(MEMORY, |limit| MEMORY.min(limit / 4))
}

/// The most memory that the control groups of this process allow; `root` is `/`, or what stands
/// for it in tests.
pub(super) fn memory_limit(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    groups.lines().filter_map(|line| limit_of_line(root, line)).min()
}

/// Lines are `0::PATH` for the unified hierarchy and `N:CONTROLLERS:PATH` for the others
/// (cgroups(7)).
fn limit_of_line(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        list if list.split(',').any(|name| name == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let mount = root.join(mount);
    let mut group: PathBuf = mount.join(path.trim_start_matches('/'));
    let mut least = None;
    // A group's limit holds for all groups below it.
    for _ in 0..DEPTH {
        let limit = fs::read_to_string(group.join(file)).ok();
        let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
        least = [least, limit].into_iter().flatten().min();
        if group == mount || !group.pop() {
            break;
        }
    }
    // Without a limit the old hierarchy shows a number that no machine has.
    least.filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_group_above_counts() {
        let root = machine(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "1000000\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(1_000_000));
        let root = machine(&[
            ("proc/self/cgroup", "5:cpu:/x\n4:memory,hugetlb:/docker/1\n0::/none\n"),
            ("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "2000000\n"),
        ]);
        assert_eq!(memory_limit(root.path()), Some(2_000_000));
    }

    #[test]
    fn a_machine_without_limits_has_none() {
        assert_eq!(memory_limit(machine(&[]).path()), None);
        let root = machine(&[
            ("proc/self/cgroup", "nonsense\n4:memory:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(memory_limit(root.path()), None);
    }
}
