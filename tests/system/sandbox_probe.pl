# What a program in the sandbox of hwenrolld.service can do. Runs there in place of the agent, as booted.sh has it;
# prints each surprise, and ends with 0 if there was none. perl-base is in every Debian.
use strict;
use warnings;
use Errno qw(EROFS EACCES EPERM ENOENT ENXIO ENODEV EAFNOSUPPORT);
use Socket;

my ($held, $surprises) = (0, 0);

sub wanted {
    my ($what, $holds) = @_;
    $holds ? $held++ : $surprises++;
    print "not as expected: $what ($!)\n" unless $holds;
}

sub writes {
    my $file = "$_[0]/probe";
    open(my $out, '>', $file) or return 0;
    close $out;
    unlink $file;
    return 1;
}

wanted("$_ is read-only", !writes($_) && $! == EROFS) for qw(/ /etc /etc/hwenroll /usr /boot /var /var/lib);
wanted("$_ can be written", writes($_)) for $ENV{STATE_DIRECTORY}, $ENV{RUNTIME_DIRECTORY}, '/tmp', '/var/tmp';
wanted("$_ is hidden", !opendir(my $directory, $_) && $! == EACCES) for qw(/home /root /run/user);
wanted("$_ is read-only", !open(my $file, '>', $_) && ($! == EROFS || $! == EACCES || $! == ENOENT))
    for qw(/proc/sys/kernel/hostname /proc/sysrq-trigger /sys/power/state /sys/fs/cgroup/cgroup.procs);

# Of the nodes that booted.sh made, where no driver answers.
wanted('the TPM may be opened', open(my $tpm, '+<', '/dev/tpmrm0') || $! == ENXIO || $! == ENODEV);
wanted('other devices may not be opened', !open(my $other, '+<', '/dev/other') && ($! == EPERM || $! == ENOENT));
wanted('devices of the machine are not there', !-e "/dev/$_") for qw(mem kmsg console tty0 loop-control fuse);

open(my $status, '<', '/proc/self/status') or die;
my %is = map { /^(\w+):\s*(.*)/ } <$status>;
wanted("$_ is empty", $is{$_} =~ /^0+$/) for qw(CapEff CapPrm CapInh CapBnd CapAmb);
wanted('NoNewPrivs', $is{NoNewPrivs} == 1);
wanted('seccomp', $is{Seccomp} == 2);
wanted('not root', $> != 0 && $< != 0 && $) !~ /^0\b/);

opendir(my $proc, '/proc') or die;
wanted('processes of others are invisible', !grep { /^\d+$/ && (stat "/proc/$_")[4] != $> } readdir $proc);

wanted('AF_INET can be used', socket(my $inet, AF_INET, SOCK_STREAM, 0));
wanted('AF_NETLINK cannot be used', !socket(my $netlink, 16, 3, 0) && $! == EAFNOSUPPORT);
wanted('names are resolved without it', defined gethostbyname('localhost'));
wanted('AF_PACKET cannot be used', !socket(my $packet, 17, 3, 0) && $! == EAFNOSUPPORT);
wanted('no namespace can be made', system('unshare --user true 2>/dev/null') != 0);

my $own = "$ENV{STATE_DIRECTORY}/own";
open(my $out, '>', $own) or die;
close $out;
wanted('no file gets set-user-ID', !chmod(04755, $own) && $! == EPERM);
unlink $own;

# By number: clock_adjtime, add_key, setpriority, setuid, mmap and munmap.
my ($machine) = `uname -m` =~ /(\S+)/;
my $call = {
    x86_64  => {clock => 305, key => 248, priority => 141, user => 105, map => 9},
    aarch64 => {clock => 266, key => 217, priority => 140, user => 146, map => 222},
}->{$machine};
if ($call) {
    my $timex = "\0" x 256;
    wanted('the clock cannot be touched', syscall($call->{clock}, 0, $timex) < 0 && $! == EPERM);
    my ($type, $name) = ("user\0", "probe\0");
    wanted('no key can be stored in the kernel', syscall($call->{key}, $type, $name, $name, 5, -3) < 0 && $! == EPERM);
    wanted('the priority stays', syscall($call->{priority}, 0, 0, 5) < 0 && $! == EPERM);
    wanted('the user stays', syscall($call->{user}, $>) < 0 && $! == EPERM);
    # PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS.
    wanted('no memory can be written and run',
        syscall($call->{map}, 0, 4096, 7, 0x22, -1, 0) == -1 && ($! == EPERM || $! == EACCES)); # PR_SET_MDWE says the latter
}
# What that leaves of asking whether something keeps the clock right.
my $timedate = 'org.freedesktop.timedate1 /org/freedesktop/timedate1 org.freedesktop.timedate1';
wanted('the clock\'s state can be asked for', `busctl get-property $timedate NTPSynchronized` =~ /^b (true|false)$/);

# Files and the control socket are given to groups of one's own.
my $given = "$ENV{STATE_DIRECTORY}/given";
open(my $gift, '>', $given) or die;
close $gift;
wanted('a file can be given to a group', chown(-1, (split ' ', $))[0], $given) == 1);
unlink $given;

print $surprises ? "$surprises surprises\n" : "$held things as expected\n";
exit($surprises != 0);
