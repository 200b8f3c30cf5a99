#!/bin/sh
# The first process of the guest. Its root is this machine's file system, read only; JOB, a folder that it
# can write to, has the script to run. usage: init=.../init.sh JOB=FOLDER PYTHON=PROGRAM
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
mount -t tmpfs run /run
mkdir -m 1777 /run/tmp /run/job
mount -t hostfs -o "$JOB" job /run/job
sh /run/job/script </dev/null
echo $? >/run/job/status
dmesg >/run/job/dmesg
sync
exec "$PYTHON" -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)'
