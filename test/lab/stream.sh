# shellcheck shell=bash
# Streams of numbered datagrams between hosts (stream.py); sourced after lib.sh.

# stream_start NAME FROM TO ADDRESS PORT RATE [once [SOURCE]]: RATE datagrams a second from the host FROM to ADDRESS, which is the
# host TO. The sender stays on one processor: when it moves, packets overtake each other in the queues, and on an emulated machine
# by more than a replay window. With `once` (see stream.py) LAB_TMP/NAME.arrivals tells what came when.
stream_start() {
    daemon_start "$3" "receive-$1" python3 -u "$LAB_ROOT/test/stream.py" receive "$5" ${7:+"$LAB_TMP/$1.arrivals"}
    wait_until 30 "the receiver of $1" log_says "$3" "receive-$1" '^ready'
    daemon_start "$2" "send-$1" taskset -c 0 python3 -u "$LAB_ROOT/test/stream.py" send "$4" "$5" "$6" "${@:7}"
    wait_until 30 "the sender of $1" log_says "$2" "send-$1" '^sending'
    stream_ends[$1]="$2 $3"
}
declare -A stream_ends=()

# stream_stop NAME: sets `sent`, `refused` and `received`
stream_stop() {
    local from to
    read -r from to <<<"${stream_ends[$1]}"
    daemon_stop "$from" "send-$1"
    sleep 1 # what is under way
    daemon_stop "$to" "receive-$1"
    sent=$(sed -n 's/^sent \([0-9]*\) .*/\1/p' "$LAB_LOGS/$from.send-$1.log" | tail -n 1)
    # shellcheck disable=SC2034 # the scenarios tell it
    refused=$(sed -n 's/^sent .* \([0-9]*\) refused$/\1/p' "$LAB_LOGS/$from.send-$1.log" | tail -n 1)
    received=$(sed -n 's/^received \([0-9]*\) .*/\1/p' "$LAB_LOGS/$to.receive-$1.log" | tail -n 1)
    step "$1: $(grep '^sent' "$LAB_LOGS/$from.send-$1.log" | tail -n 1 || :); $(grep '^received' "$LAB_LOGS/$to.receive-$1.log" | tail -n 1)"
}

# stream_mark EVENT: something happens now; marks=() begins anew
declare -a marks=()
stream_mark() {
    local up
    read -r up _ </proc/uptime
    marks+=("$1=$up")
}

# stream_losses NAME: after stream_stop, "EVENT LOST GAP_MS" for each mark
stream_losses() { python3 "$LAB_ROOT/test/stream.py" losses "$LAB_TMP/$1.arrivals" "$sent" "${marks[@]}"; }

# expect_all_arrived NAME: ends the stream, of which nothing may be lost
expect_all_arrived() {
    local host
    stream_stop "$1"
    [ "${sent:-0}" -gt 0 ] || fail "$1: nothing was sent"
    [ "$sent" = "$received" ] || {
        for host in $(ip netns list | cut -d ' ' -f 1); do step "$host drops: $(xfrm_drops "$host")"; done
        fail "$1: $((sent - received)) of $sent packets were lost"
    }
}
