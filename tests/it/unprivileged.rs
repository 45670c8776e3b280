//! An ordinary user without capabilities is enough, and no other program is run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::fixture::{BOOTWRIGHT, iso_named};
use crate::small;
use crate::tools::{require, run, tool};

/// Calls that need privileges, start programs or reach other machines.
const FORBIDDEN: &str = "execve,execveat,mount,umount2,move_mount,fsmount,mknod,mknodat,unshare,\
    setns,chroot,pivot_root,socket,connect,bind,chown,fchown,lchown,fchownat,setuid,setgid,setgroups,\
    setresuid,setresgid,capset,ptrace,bpf,init_module,finit_module,fork,vfork";

#[test]
fn strace_sees_one_program_and_no_privileged_call() {
    require!("strace", "setpriv");
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let program = folder.path().join("bootwright");
    fs::copy(BOOTWRIGHT, &program).unwrap();

    let mut command = tool("setpriv");
    command.args(["--no-new-privs", "--inh-caps=-all"]);
    if rustix::process::geteuid().is_root() {
        command.args(["--bounding-set=-all", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    let trace = folder.path().join("trace");
    command.args(["strace", "-f", "-qq", "-e", &format!("trace={FORBIDDEN}"), "-o"]).arg(&trace);
    let ours = iso_named(&base, folder.path(), "traced");
    run(command.arg(program).args(ours.get_args()).args(["--jobs", "2"]));

    let trace = fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> =
        trace.lines().filter(|line| line.contains('(') && !line.contains("+++ exited")).collect();
    // strace's own start of the program is the one call there may be.
    assert_eq!(calls.len(), 1, "{trace}");
    assert!(calls[0].contains("execve("), "{trace}");
    assert!(folder.path().join("traced.iso").is_file());
}
