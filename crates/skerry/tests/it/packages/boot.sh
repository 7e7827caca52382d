# Boots systemd on this machine's files, of which it changes nothing: what is written lies in the folder $1, and
# networks, processes, names and control groups are its own.
set -e
cd "$1"
if [ "$2" != inside ]; then
    # A group of its own is the root of what systemd sees.
    mkdir groups
    mount -t cgroup2 groups groups
    mkdir "groups/skerry-test-$$"
    echo $$ >"groups/skerry-test-$$/cgroup.procs"
    exec unshare --pid --uts --ipc --net --cgroup --fork --kill-child --mount-proc sh "$0" "$1" inside
fi
hostname plant
ip link set lo up
mkdir written
mount -t tmpfs written written
mkdir written/upper written/work root
mount -t overlay -o lowerdir=/,upperdir=written/upper,workdir=written/work root root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 groups sys/fs/cgroup
for folder in run tmp dev; do
    mount -t tmpfs -o mode=755 "$folder" "$folder"
done
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm packages
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount --bind "$1/packages" packages
# Services of this machine are none of the test's.
rm -rf etc/systemd/system/*.wants
ln -sf /dev/null etc/systemd/system/docker.service
ln -sf /dev/null etc/systemd/system/docker.socket
# Services have sandboxes of their own, which must be below a root that is one.
mkdir machine
pivot_root . machine
umount --lazy machine
rmdir machine
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=multi-user.target
