# shellcheck shell=bash
# Helper functions of the scenarios; a scenario's `run` begins with `. ../lib.sh`.
#
# A host is a network namespace with a mount namespace beside it (a /run, /sys and machine ID of its own), so that daemons find
# their usual places. The topology, with IPv6 and IPv4 everywhere:
#
#   cl1 --- rt --- gw --- lan        cl1 2001:db8:7:1::2  198.51.100.2      gw  2001:db8:13::2  203.0.113.2
#   cl2 ---'                         cl2 2001:db8:7:2::2  198.51.100.130    lan 2001:db8:9::53  10.9.0.53
#   ...                              ... up to cl6, see outer6 and outer4
#
# shellcheck disable=SC2034 # scenarios use what is not used here
# shellcheck disable=SC2016 # awk has dollars, too
# Environment: LAB_NAME, LAB_BIN (sheafd, sheafctl), LAB_CONF (the folder conf), LAB_PKI (keys and certificates, see
# scripts/lab.d/pki), LAB_TMP (gone afterwards), LAB_LOGS (kept), lab_patience (how many times longer than usual to wait).

set -Eeuo pipefail

# A client's addresses end where its router's do, which is the one before.
declare -A outer6=([gw]=2001:db8:13::2 [cl1]=2001:db8:7:1::2 [cl2]=2001:db8:7:2::2 [cl3]=2001:db8:7:3::2 [cl4]=2001:db8:7:4::2
    [cl5]=2001:db8:7:5::2 [cl6]=2001:db8:7:6::2)
declare -A outer4=([gw]=203.0.113.2 [cl1]=198.51.100.2 [cl2]=198.51.100.130 [cl3]=198.51.100.138 [cl4]=198.51.100.146
    [cl5]=198.51.100.154 [cl6]=198.51.100.162)
lan6=2001:db8:9::53 lan4=10.9.0.53
lan_net6=2001:db8:9::/64 lan_net4=10.9.0.0/24

# --- telling ---------------------------------------------------------------------------------------------------------

# Under emulation a process costs milliseconds to start: what is called often uses none.
hundredths() { # sets `now` to the time since boot
    local up
    read -r up _ </proc/uptime
    now=${up/./}
}
hundredths
lab_began=$now

step() {
    hundredths
    printf '[%3d.%02d] %s\n' $(((now - lab_began) / 100)) $(((now - lab_began) % 100)) "$*"
}

fail() {
    printf '%s\n' "$*" >"$LAB_LOGS/reason"
    step "FAILED: $*"
    exit 1
}

lab_end() {
    local rc=$? host
    trap - ERR EXIT
    set +e
    if [ $rc -ne 0 ]; then
        for host in $(ip netns list | cut -d ' ' -f 1); do
            { kernel_dump "$host" && xfrm_drops "$host"; } >"$LAB_LOGS/$host.kernel"
        done
    fi
    daemons_stop_all
    exit $rc
}
trap 'fail "line ${BASH_LINENO[0]:-0}/$LINENO: $BASH_COMMAND"' ERR
trap lab_end EXIT

# --- waiting ---------------------------------------------------------------------------------------------------------

# holds_within SECONDS COMMAND...: tries until it succeeds
holds_within() {
    local end
    hundredths
    end=$((now + $1 * 100 * ${lab_patience:-1}))
    shift
    until "$@" >/dev/null 2>&1; do
        hundredths
        [ "$now" -lt "$end" ] || return 1
        read -r -t 0.05 <>"$lab_pause" || :
    done
}
lab_pause=$LAB_TMP/pause # a pipe that nobody writes to: a pause without a process
mkfifo "$lab_pause"

# wait_until SECONDS WHAT COMMAND...: the same, and the scenario fails when it does not
wait_until() {
    local seconds=$1 what=$2
    shift 2
    holds_within "$seconds" "$@" || fail "not within $seconds s: $what"
}

# --- hosts and links -------------------------------------------------------------------------------------------------

host_count=0
host_add() { # HOST...
    local host pid pids=()
    printf 'netns add %s\n' "$@" | ip -batch -
    (cd "$LAB_TMP" && mkdir -p "$@")
    for host; do
        host_count=$((host_count + 1))
        : >"$LAB_TMP/$host.mnt"
        nsenter --net="/run/netns/$host" unshare --mount="$LAB_TMP/$host.mnt" --propagation private sh -ec '
            mount -t tmpfs -o mode=755 run /run
            mount -t sysfs sys /sys
            mkdir -p /run/lock /run/sheaf
            printf "%032x\n" "$0" >/run/machine-id
            mount --bind /run/machine-id /etc/machine-id' $host_count &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

# in_host HOST COMMAND...; the host "." is where the scenario itself runs
in_host() {
    local host=$1
    shift
    [ "$host" != . ] || { "$@"; return; }
    nsenter --net="/run/netns/$host" --mount="$LAB_TMP/$host.mnt" -- "$@"
}

# cable HOST DEV HOST DEV: lines for `ip -batch` that join two hosts
cable() { echo "link add $2 netns $1 type veth peer name $4 netns $3"; }

address_lines() { # DEV ADDRESS...
    local dev=$1 address
    shift
    echo "link set $dev up"
    for address; do
        case $address in
            *:*) echo "addr add $address dev $dev nodad" ;;
            *) echo "addr add $address dev $dev" ;;
        esac
    done
}
default_lines() { printf 'route add default via %s\n' "$@"; } # ROUTER...

address_add() { # HOST DEV ADDRESS...
    local host=$1
    shift
    address_lines "$@" | in_host "$host" ip -batch -
}

# topology CLIENT...: the picture above with these clients
topology() {
    local client host
    host_add rt gw lan "$@"
    {
        cable gw wan0 rt gw0
        cable gw lan0 lan eth0
        for client; do cable "$client" wan0 rt "$client"; done
    } | ip -batch -
    for host in rt gw; do
        in_host "$host" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1
    done
    {
        address_lines lo
        address_lines wan0 2001:db8:13::2/64 203.0.113.2/24
        address_lines lan0 2001:db8:9::1/64 10.9.0.1/24
        default_lines 2001:db8:13::1 203.0.113.1
    } | ip -n gw -batch -
    {
        address_lines lo
        address_lines eth0 $lan6/64 $lan4/24
        default_lines 2001:db8:9::1 10.9.0.1
    } | ip -n lan -batch -
    {
        address_lines lo
        address_lines gw0 2001:db8:13::1/64 203.0.113.1/24
        for client; do address_lines "$client" "${outer6[$client]%2}1/64" "$(router4 "$client")/29"; done
    } | ip -n rt -batch -
    for client; do
        {
            address_lines lo
            address_lines wan0 "${outer6[$client]}/64" "${outer4[$client]}/29"
            default_lines "${outer6[$client]%2}1" "$(router4 "$client")"
        } | ip -n "$client" -batch -
    done
}
router4() { echo "${outer4[$1]%.*}.$((${outer4[$1]##*.} - 1))"; } # CLIENT

# --- daemons ---------------------------------------------------------------------------------------------------------

declare -A daemon_pids=() # "HOST/NAME" -> process id

# daemon_start HOST NAME COMMAND...: its output goes to LAB_LOGS/HOST.NAME.log
daemon_start() {
    local host=$1 name=$2
    shift 2
    [ -z "${daemon_pids[$host/$name]:-}" ] || fail "$name already runs in $host"
    # exec: the process id must be the daemon's own
    (exec nsenter --net="/run/netns/$host" --mount="$LAB_TMP/$host.mnt" -- "$@") \
        >>"$LAB_LOGS/$host.$name.log" 2>&1 </dev/null &
    daemon_pids[$host/$name]=$!
}

daemon_runs() { kill -0 "${daemon_pids[$1/$2]:?no $2 was started in $1}" 2>/dev/null; } # HOST NAME

# daemon_stop HOST NAME [SIGNAL]: signals it, waits for its end, leaves its exit code in daemon_exit
daemon_stop() { daemon_signal "$@" && daemon_end "$@"; }
daemon_signal() { kill "-${3:-TERM}" "${daemon_pids[$1/$2]:?no $2 was started in $1}" 2>/dev/null || :; }
daemon_end() {
    local pid=${daemon_pids[$1/$2]}
    wait_until 20 "$2 in $1 ends after SIG${3:-TERM}" daemon_gone "$pid"
    unset "daemon_pids[$1/$2]"
    daemon_exit=0
    { wait "$pid" || daemon_exit=$?; } 2>/dev/null # bash would tell who was killed
}

daemons_stop_all() {
    local key
    for key in "${!daemon_pids[@]}"; do kill "${daemon_pids[$key]}" 2>/dev/null; done
    for key in "${!daemon_pids[@]}"; do
        holds_within 5 daemon_gone "${daemon_pids[$key]}" || {
            step "$key did not end on SIGTERM; killed"
            kill -KILL "${daemon_pids[$key]}"
        }
    done
}

daemon_gone() { ! [ -e "/proc/$1/exe" ]; } # PID; a zombie has no exe

log_says() { grep -qE -- "$3" "$LAB_LOGS/$1.$2.log"; } # HOST NAME REGEX

# --- traffic ---------------------------------------------------------------------------------------------------------

all_answered() { # HOST PING_ARGUMENT...
    local host=$1 reply
    shift
    reply=$(in_host "$host" ping -n -c 3 -i 0.1 -W 2 "$@") && [[ $reply == *" 3 received"* ]]
}

none_answered() { # HOST PING_ARGUMENT...
    local host=$1 reply
    shift
    reply=$(in_host "$host" ping -n -c 3 -i 0.1 -W 1 "$@" || :)
    [[ $reply == *" 0 received"* ]]
}

# expect_ping HOST DESTINATION [SOURCE]: three of three answered, at the latest after 8 s
expect_ping() {
    holds_within 8 all_answered "$1" ${3:+-I "$3"} "$2" || fail "$1 gets no answer from $2${3:+ as $3}"
}

# expect_no_ping HOST DESTINATION [SOURCE]: sent, and none of three answered
expect_no_ping() {
    none_answered "$1" ${3:+-I "$3"} "$2" || fail "$1 must not get an answer from $2${3:+ as $3}, but does"
}

# witness_start NAME HOST DEV: everything that passes there goes to LAB_LOGS/NAME.pcap
witness_start() { witness_open "$@" && witness_ready "$1"; }
witness_open() { # NAME HOST DEV: without waiting for it
    daemon_start "$2" "tcpdump-$1" tcpdump -n -U --immediate-mode -Z root -i "$3" -w "$LAB_LOGS/$1.pcap"
    witness_host[$1]=$2
}
witness_ready() { # NAME
    wait_until 10 "tcpdump in ${witness_host[$1]}" log_says "${witness_host[$1]}" "tcpdump-$1" '^tcpdump: listening'
}
declare -A witness_host=()

witness_stop() { # NAME
    sleep 0.2 # what is still on its way to the witness
    daemon_stop "${witness_host[$1]}" "tcpdump-$1"
}

witness_show() { tcpdump -n -r "$LAB_LOGS/$1.pcap" "$2" 2>/dev/null; } # NAME FILTER

witness_count() { witness_show "$1" "$2" | wc -l; } # NAME FILTER

plaintext_filter="net 2001:db8:100::/40 or net 2001:db8:9::/64 or net 10.77.0.0/16 or net 10.9.0.0/24"

# expect_only_esp NAME: the witness saw ESP both ways, beside it only IKE, ICMPv6 and ARP of the link, and none of the
# protected addresses
expect_only_esp() {
    local esp clear other neither
    local esp_filter="(ip6 proto 50 or ip proto 50 or (udp port 4500 and not udp[8:4] = 0))"
    esp=$(witness_count "$1" "$esp_filter and src host ${outer6[gw]}")
    esp=$((esp + $(witness_count "$1" "$esp_filter and src host ${outer4[gw]}")))
    [ "$esp" -gt 0 ] || fail "the witness $1 saw no ESP from the gateway"
    esp=$(witness_count "$1" "$esp_filter and (dst host ${outer6[gw]} or dst host ${outer4[gw]})")
    [ "$esp" -gt 0 ] || fail "the witness $1 saw no ESP to the gateway"
    clear=$(witness_count "$1" "$plaintext_filter")
    [ "$clear" -eq 0 ] || fail "the witness $1 saw $clear packets of the tunnel in clear"
    # ip6 proto 0: listener reports to the link's routers have an extension header before their ICMPv6
    neither="not ($esp_filter or udp port 500 or udp port 4500 or arp or icmp6 or (ip6 proto 0 and dst net ff02::/16))"
    other=$(witness_count "$1" "$neither")
    [ "$other" -eq 0 ] ||
        fail "the witness $1 saw $other packets that are neither ESP nor IKE: $(witness_show "$1" "$neither" | head -n 1)"
}

# --- the kernel ------------------------------------------------------------------------------------------------------

xfrm_counter() { in_host "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/xfrm_stat; } # HOST NAME

# xfrm_drops HOST: the counters that are not zero, on one line
xfrm_drops() { in_host "$1" awk '$2 { printf "%s%s %s", sep, $1, $2; sep = ", " }' /proc/net/xfrm_stat; }

# kernel_dump HOST: what a daemon could have changed, one object a line, without anything that changes by itself, without keys
kernel_dump() {
    in_host "$1" sh -c '
        echo "#link"; ip -o link show
        echo "#addr"; ip -N -o addr show
        echo "#route -4"; ip -N -o -4 route show table all
        echo "#route -6"; ip -N -o -6 route show table all
        echo "#rule -4"; ip -N -4 rule show
        echo "#rule -6"; ip -N -6 rule show
        echo "#state"; ip xfrm state show nokeys
        echo "#policy"; ip xfrm policy show
        echo "#nft"; nft list ruleset' | awk '
        function tell() { # but no policy of a socket, which lives and dies with it
            if (line && line !~ /^policy .* socket (in|out) /) print line
            line = ""
        }
        /^#/ { tell(); kind = substr($0, 2); next }
        kind == "link" { sub(/^[0-9]+: /, ""); sub(/ qdisc .*/, "") }
        kind == "addr" { sub(/^[0-9]+: /, ""); sub(/ *(valid_lft .*|\\.*)/, "") }
        kind ~ /^route/ { sub(/ expires [0-9]+sec/, "") }
        /^[ \t]/ { $1 = $1; line = line " " $0; next } # goes on with the object before
        { tell(); $1 = $1; line = kind " " $0 }
        END { tell() }'
}

# kernel_ours HOST: the objects that carry a mark of Sheaf: reqid or if_id 0x53xxxxxx, routing protocol 83, tables 5300 to 5389,
# rules 5290 to 5309, an interface named sheaf*. An SA without SPI is the kernel's question for one (ACQUIRE), which it forgets by itself.
kernel_ours() {
    kernel_dump "$1" | awk '
        $1 == "state" && / spi 0x00000000 / { next }
        $1 == "state" || $1 == "policy" {
            for (i = 2; i < NF; i++) {
                if ($i == "reqid" && int($(i + 1) / 16777216) == 83) { print; next }
                if ($i == "if_id" && $(i + 1) ~ /^0x53[0-9a-f]{6}$/) { print; next }
            }
        }
        $1 == "route" && / (proto 83|table 53[0-8][0-9]) ?/ { print; next }
        $1 == "rule" && / (lookup 53[0-8][0-9]|proto 83)( |$)/ { print; next }
        $1 == "rule" && $3 ~ /^(529|530)[0-9]:$/ { print; next }
        ($1 == "link" || $1 == "addr") && $2 ~ /^sheaf/ { print; next }'
}

expect_nothing_of_ours() { # HOST WHEN
    local ours
    ours=$(kernel_ours "$1")
    [ -z "$ours" ] || fail "$2, $1 still holds: $(head -n 3 <<<"$ours" | paste -sd ';')"
}

# nothing_of_ours HOST: for wait_until
nothing_of_ours() { [ -z "$(kernel_ours "$1")" ]; }

# count_ours HOST KIND [WORDS]: how many objects of ours there are of a kind (state, policy, route, rule, link)
count_ours() { kernel_ours "$1" | awk -v kind="$2" -v words="${3:-}" '$1 == kind && index($0, words)' | wc -l; }

# foreign_add HOST: objects that someone else has put into the kernel
foreign_add() {
    local key
    key=0x$(printf '22%.0s' {1..36})
    ip -n "$1" link add foreign0 type xfrm dev lo if_id 0x77
    ip -n "$1" link set foreign0 up
    address_add "$1" foreign0 fd66::1/64 10.66.0.1/24
    ip -n "$1" -6 route add fd67::/64 dev foreign0 table 6600
    ip -n "$1" -4 route add 10.67.0.0/24 dev foreign0
    ip -n "$1" -6 rule add from fd66::/64 lookup 6600 prio 6600
    ip -n "$1" -4 rule add from 10.66.0.0/24 lookup 6600 prio 6600
    ip -n "$1" xfrm state add src fd66::1 dst fd66::2 proto esp spi 0x6601 reqid 66 mode tunnel if_id 0x77 \
        aead 'rfc4106(gcm(aes))' "$key" 128
    ip -n "$1" xfrm state add src 10.66.0.2 dst 10.66.0.1 proto esp spi 0x6602 reqid 66 mode tunnel \
        aead 'rfc4106(gcm(aes))' "$key" 128
    ip -n "$1" xfrm policy add src fd66::/64 dst fd67::/64 dir out if_id 0x77 \
        tmpl src fd66::1 dst fd66::2 proto esp reqid 66 mode tunnel
    ip -n "$1" xfrm policy add src 10.67.0.0/24 dst 10.66.0.0/24 dir in \
        tmpl src 10.66.0.2 dst 10.66.0.1 proto esp reqid 66 mode tunnel
}

# kernel_remember HOST, expect_kernel_as_remembered HOST WHEN: everything is as it was
kernel_remember() {
    wait_until 10 "the addresses of $1 are confirmed" no_tentative_address "$1" # routes follow from it
    kernel_dump "$1" | sort >"$LAB_TMP/$1.remembered"
}
no_tentative_address() { [ -z "$(in_host "$1" ip -6 addr show tentative)" ]; }
expect_kernel_as_remembered() {
    local difference
    if ! difference=$(kernel_dump "$1" | sort | diff "$LAB_TMP/$1.remembered" -); then
        printf '%s\n' "$difference" >"$LAB_LOGS/$1.difference"
        fail "$2, the kernel of $1 is not as before: $(grep '^[<>]' <<<"$difference" | head -n 3 | paste -sd ';')"
    fi
}
