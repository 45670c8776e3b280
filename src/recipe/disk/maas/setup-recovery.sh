#!/bin/sh
# The first boot of a machine that MAAS has set up: keeps its user-data for the system to come, and
# lets the machine boot into recovery, which installs that system.
set -eu
done=/var/lib/setup-recovery-completed
[ ! -e "$done" ] || exit 0

oem=$(mktemp -d)
mount LABEL=COS_OEM "$oem"
trap 'umount "$oem"' EXIT
if [ -s /var/lib/cloud/instance/user-data.txt ]; then
    install -m 0600 /var/lib/cloud/instance/user-data.txt "$oem/userdata.yaml"
fi
# The environment block as the image brought it, for GRUB to boot recovery.
if command -v grub-editenv >/dev/null; then
    grub-editenv "$oem/grubenv" unset next_entry
    grub-editenv "$oem/grubenv" set next_entry=recovery
else
    cat "$oem/grubenv.bak" >"$oem/grubenv"
fi
sync
mkdir -p "${done%/*}"
: >"$done"
systemctl --no-block reboot
