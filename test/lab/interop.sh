# shellcheck shell=bash
# What the scenarios interop-PEER-WHAT share; sourced with the peer's name. What was seen to work becomes a line of LAB_LOGS/cells,
# from which `scripts/lab table` makes docs/interop.md; all that there should be is listed in test/lab/cells.
# shellcheck disable=SC2154,SC2034 # lib.sh and sheaf.sh assign and use them

peer=$1
# shellcheck source=lib.sh
. ../lib.sh
# shellcheck source=sheaf.sh
. ../sheaf.sh
# shellcheck source=/dev/null
. "../$peer.sh"
printf 'version\t%s\t%s\n' "$peer" "$("${peer}_version")" >"$LAB_LOGS/cells"

# cell WHAT: was seen to work, at the role and over the family where we are
cell() {
    printf 'cell\t%s\t%s\t%s\t%s\tok\n' "$peer" "$1" "$role" "$outer" >>"$LAB_LOGS/cells"
    step "$outer, Sheaf as $role: $1"
}

# possible WHAT: not what cells says can never be at the role where we are
possible() {
    ! awk -F '\t' -v peer="$peer" -v what="$1" -v role="$role" \
        '$1 == "never" && $2 == peer && $3 == what && index(" " $4 " ", " " role " ") { found = 1 } END { exit !found }' ../cells
}

# at ROLE OUTER: sets us and them, the hosts of Sheaf and of the peer, and the outer addresses of cl1 and gw
at() {
    role=$1 outer=$2
    case $role in
        gateway | responder) us=gw them=cl1 connection=clients ;;
        client | initiator) us=cl1 them=gw connection=home ;;
    esac
    case $role in initiator | responder) connection=site ;; esac
    case $outer in
        IPv6) gateway_address=${outer6[gw]} client_address=${outer6[cl1]} ;;
        IPv4) gateway_address=${outer4[gw]} client_address=${outer4[cl1]} ;;
    esac
    gateway_listens=$gateway_address
    retransmit_tries=6 liveness=
    clients=(cl1)
    mode=tunnel
    # libreswan takes no traffic selector wider than the address that it was given.
    pool6_delegate=64
    [ "$peer" != libreswan ] || pool6_delegate=128
    openiked_lifetimes=
}

# everywhere FUNCTION ARGUMENT...: in both roles and over both families; over_ipv4 for what is of IPv4 only, and so on
everywhere() {
    over_ipv6 "$@"
    over_ipv4 "$@"
}
over_ipv6() { for role in gateway client; do at $role IPv6 && "$@"; done; }
over_ipv4() { for role in gateway client; do at $role IPv4 && "$@"; done; }
between_peers() { # likewise, but neither is the other's gateway
    local place
    for place in "responder IPv6" "initiator IPv6" "responder IPv4" "initiator IPv4"; do
        # shellcheck disable=SC2086 # two words
        at $place
        "$@"
    done
}

# inner: the families of inner addresses that the peer deals in
inner() {
    case $peer/$outer in
        strongswan/*) echo 4 6 ;;
        */IPv6) echo 6 ;;
        */IPv4) echo 4 ;;
    esac
}
inner_list() { inner | sed "s/[46]/\"$1&\"/g; s/ /, /g"; } # PREFIX: as a list in JSON

# --- begin and end ---------------------------------------------------------------------------------------------------

# begin AUTH [PEER_LINES [SHEAF_MEMBERS]]: starts both ends, with the clients that `clients` names, until they are connected
begin() {
    local client
    told_before=0
    [ ! -e "$LAB_LOGS/$us.sheafd.log" ] || told_before=$(wc -l <"$LAB_LOGS/$us.sheafd.log")
    case $role in
        gateway)
            gateway_pools=$(inner_list v)
            sheaf_start gw "$(gateway_config "$1" "${3:-}")"
            for client in "${clients[@]}"; do
                "${peer}_client" "$client" "$gateway_address" "$1" "${2:-}"
                "${peer}_initiate" "$client"
            done
            ;;
        client)
            "${peer}_gateway" "$gateway_listens" "$1" "${2:-}"
            for client in "${clients[@]}"; do
                sheaf_start "$client" "$(client_config "$client" "$gateway_address" "$(inner_list ipv)" "$1" "${3:-}")"
            done
            ;;
        *) begin_peers "$@" ;;
    esac
    expect_connected
}

begin_peers() {
    local child="\"mode\": \"$mode\"" here there
    case $role in
        responder) here=$gateway_address there=$client_address ;;
        initiator) here=$client_address there=$gateway_address ;;
    esac
    [ "$mode" = transport ] || child+=", \"local\": [\"$here\"], \"remote\": [\"$there\"]"
    case $role in
        responder)
            sheaf_start gw "$(peer_config gw "$here" cl1 "$there" "$1" "$child" "${3:-}")"
            "${peer}_peer" cl1 "$there" gw "$here" "$1" "$mode" active "${2:-}"
            "${peer}_initiate" cl1
            ;;
        initiator)
            "${peer}_peer" gw "$there" cl1 "$here" "$1" "$mode" passive "${2:-}"
            sheaf_start cl1 "$(peer_config cl1 "$here" gw "$there" "$1" "$child" "${3:-}")"
            sheaf_order cl1 up site || fail "sheafctl up: $(tail -n 1 "$LAB_LOGS/cl1.orders.log")"
            ;;
    esac
}

expect_connected() {
    local client
    case $us in
        gw) for client in "${clients[@]}"; do wait_established gw "${identity[$client]}"; done ;;
        *) for client in "${clients[@]}"; do wait_established "$client"; done ;;
    esac
    holds_within 10 peers_have_one || {
        "${peer}_show" "$them" >"$LAB_LOGS/$them.show" 2>&1 || :
        fail "$peer in $them has $("${peer}_count" "$them") IKE SAs"
    }
    expect_traffic
}

# peers_have NUMBER: IKE SAs, in all of the peer's hosts
peers_have() {
    local host count=0
    for host in $(their_hosts); do count=$((count + $("${peer}_count" "$host"))); done
    [ $count -eq "$1" ]
}
peers_have_one() { peers_have ${#clients[@]}; } # for each client
peers_have_none() { peers_have 0; }
their_hosts() { if [ "$them" = gw ]; then echo gw; else echo "${clients[@]}"; fi; }
our_hosts() { if [ "$us" = gw ]; then echo gw; else echo "${clients[@]}"; fi; }

expect_traffic() {
    local family source client
    case $role in initiator | responder)
        expect_ping cl1 "$gateway_address"
        expect_ping gw "$client_address"
        return
        ;;
    esac
    for client in "${clients[@]}"; do
        source=
        [ "$peer/$role" != openiked/gateway ] || source=$(openiked_source "$client")
        for family in $(inner); do
            case $family in
                4) expect_ping "$client" "$lan4" "$source" ;;
                6) expect_ping "$client" "$lan6" "$source" ;;
            esac
        done
    done
}

# finish: ends both ends by SIGTERM to ours; nothing of ours may be left
finish() {
    local host
    for host in $(our_hosts); do
        sheaf_stop "$host"
        expect_nothing_of_ours "$host" "after SIGTERM"
    done
    wait_until 10 "$peer has taken the DELETE" peers_have_none
    for host in $(their_hosts); do
        "${peer}_stop" "$host"
        forget "$host"
    done
}

# forget HOST: what a peer that was ended, or killed, may have left in its kernel
forget() {
    ip -n "$1" xfrm policy flush
    ip -n "$1" xfrm state flush
}

# --- what is shown ---------------------------------------------------------------------------------------------------

authenticates() { # AUTH
    witness_start "$role-$outer" rt gw0
    begin "$1"
    witness_stop "$role-$outer"
    expect_only_esp "$role-$outer"
    finish
    cell "$1"
}

# --- rekeying

child_is_new() { # BEFORE: all SPIs are others, and there is one pair
    local after
    after=$(child_spis "$us")
    [ "$(wc -l <<<"$after")" -eq 2 ] && [ -z "$(comm -12 <(echo "$1") <(echo "$after"))" ]
}
ike_is_new() { # BEFORE
    local after
    after=$(ike_spis "$us")
    [ -n "$after" ] && [ "$(wc -l <<<"$after")" -eq 1 ] && [ "$after" != "$1" ]
}

# renews WHAT ike|child SECONDS COMMAND...: the command makes new keys, and traffic goes on
renews() {
    local what=$1 kind=$2 seconds=$3 children ike
    shift 3
    children=$(child_spis "$us")
    ike=$(ike_spis "$us")
    "$@" || fail "$what: $* failed"
    case $kind in
        child)
            wait_until "$seconds" "$what: new SPIs in the kernel, and the old ones gone" child_is_new "$children"
            [ -n "$openiked_lifetimes" ] || [ "$(ike_spis "$us")" = "$ike" ] || fail "$what: the IKE SA is another, too"
            ;;
        ike)
            wait_until "$seconds" "$what: another IKE SA, and the old one gone" ike_is_new "$ike"
            [ -n "$openiked_lifetimes" ] || [ "$(child_spis "$us")" = "$children" ] || fail "$what: the Child SA is another, too"
            ;;
    esac
    wait_until 10 "$what: $peer has one IKE SA again" peers_have_one
    expect_traffic
    cell "$what"
}

rekeys() {
    begin psk
    renews rekey-child-ours child 15 sheaf_order "$us" rekey "$connection"
    renews rekey-ike-ours ike 15 sheaf_order "$us" rekey "$connection" --ike
    if [ "$peer" = openiked ]; then
        finish
        # The two at once, by its own clock.
        openiked_lifetimes='ikelifetime 45 lifetime 20'
        begin psk
        renews rekey-child-theirs child 40 true
        renews rekey-ike-theirs ike 60 true
    else
        renews rekey-child-theirs child 15 "${peer}_rekey_child" "$them"
        renews rekey-ike-theirs ike 15 "${peer}_rekey_ike" "$them"
        renews rekey-child-theirs child 15 "${peer}_rekey_child" "$them" # of a Child SA that was inherited
    fi
    finish
}

# --- the end

# told REGEX: by our daemon, since `begin`
told() { tail -n "+$((told_before + 1))" "$LAB_LOGS/$us.sheafd.log" | grep -E -- "$1" >/dev/null; }
we_have_none() { [ "$(established "$us")" -eq 0 ] && [ "$(count_ours "$us" state)" -eq 0 ]; }
ended_with() { told "IKE SA down, $1"; } # REASON

# parted_from SPIS: the kernel has none of these Child SAs any more, and the peer has no IKE SA, or a new one: libreswan comes back at once
parted_from() {
    [ -z "$(comm -12 <(echo "$1") <(child_spis "$us"))" ] || return 1
    peers_have_none || [ "$peer/$role" = libreswan/gateway ]
}

deletes() {
    local before
    begin psk
    before=$(child_spis "$us")
    sheaf_order "$us" down "$connection" || fail "sheafctl down: $(tail -n 1 "$LAB_LOGS/$us.orders.log")"
    wait_until 10 "$peer has taken the DELETE, and the kernel has none of its SAs" parted_from "$before"
    ended_with command || fail "our command is not told"
    cell delete-ours
    finish
    begin psk
    "${peer}_delete" "$them" || fail "$peer deletes nothing"
    wait_until 10 "the peer's DELETE is told" ended_with deleted_by_peer
    cell delete-theirs
    [ "$role" != client ] || {
        expect_connected # it comes back
        step "the client is back"
    }
    finish
}

dies() {
    liveness=$((2 * ${lab_patience:-1}))s retransmit_tries=3
    begin psk '' "$([ "$role" = client ] || echo "\"retransmit\": { \"first\": \"$retransmit_first\", \"tries\": 3 },")"
    "${peer}_kill" "$them"
    forget "$them"
    wait_until 30 "the peer's end is noticed" ended_with peer_silent
    [ "$(established "$us")" -eq 0 ] || fail "an IKE SA is still called established"
    wait_until 5 "its SAs are gone" we_have_none
    cell dpd
    for host in $(our_hosts); do sheaf_stop "$host"; done
}

# --- messages larger than the path's MTU

fragments_of() { # NAME ADDRESS: IKE messages from there with a fragment inside (next payload 53)
    case $2 in
        *:*) witness_count "$1" "src host $2 and ip6 proto 17 and ((port 500 and ip6[64] = 53) or (port 4500 and ip6[68] = 53))" ;;
        *) witness_count "$1" "src host $2 and ((udp port 500 and udp[24] = 53) or (udp port 4500 and udp[28] = 53))" ;;
    esac
}

fragments() {
    local name=$role-$outer address
    witness_start "$name" rt gw0
    begin chain
    witness_stop "$name"
    for address in "$gateway_address" "$client_address"; do
        [ "$(fragments_of "$name" "$address")" -ge 3 ] || fail "$(fragments_of "$name" "$address") fragments of IKE from $address"
    done
    [ "$(witness_count "$name" 'ip[6:2] & 0x3fff != 0 or ip6[6] = 44')" -eq 0 ] || fail "the network had to fragment"
    finish
    cell fragmentation
}

# --- NAT

nat_rules() { ip netns exec rt nft -f -; }

behind_nat() { # WHAT
    witness_start "$1-$role" rt gw0
    begin psk
    witness_stop "$1-$role"
    expect_only_esp "$1-$role"
    [ "$(witness_count "$1-$role" 'ip proto 50')" -eq 0 ] || fail "ESP without UDP"
    finish
    cell "$1"
}

client_behind_nat() {
    nat_rules <<<'table ip nat { chain out { type nat hook postrouting priority 100; oifname "gw0" masquerade; }; }'
    behind_nat nat-client
    clients=(cl1 cl2)
    if possible nat-two-clients; then behind_nat nat-two-clients; else "${peer}_confuses_clients"; fi
    nat_rules <<<'delete table ip nat'
}

gateway_behind_nat() {
    nat_rules <<'END'
table ip nat {
    chain in { type nat hook prerouting priority -100; iifname "cl1" udp dport { 500, 4500 } dnat to 203.0.113.2; }
    chain out { type nat hook postrouting priority 100; oifname "cl1" masquerade; }
}
END
    gateway_address=198.51.100.1 # of the NAT
    behind_nat nat-gateway
    nat_rules <<<'delete table ip nat'
}

# --- between two hosts

transports() {
    mode=transport
    witness_start "transport-$role-$outer" rt gw0
    begin psk
    witness_stop "transport-$role-$outer"
    expect_no_echo "transport-$role-$outer"
    finish
    cell transport
}

# expect_no_echo NAME: no ping in clear between the hosts themselves
expect_no_echo() {
    local clear
    clear=$(witness_count "$1" 'icmp or (ip6 and ip6[6] = 58 and (ip6[40] = 128 or ip6[40] = 129))')
    [ "$clear" -eq 0 ] || fail "$clear pings in clear"
    [ "$(witness_count "$1" 'ip proto 50 or ip6 proto 50')" -ge 6 ] || fail "no ESP"
}

# childless: how the peer is told, and that the IKE SA came first
begins_childless() { # PEER_LINES
    witness_start "childless-$role-$outer" rt gw0
    begin psk "$1" "$([ "$role" = responder ] || echo '"childless": true,')"
    witness_stop "childless-$role-$outer"
    expect_no_echo "childless-$role-$outer"
    told 'CREATE_CHILD_SA' || fail "the Child SA came with IKE_AUTH"
    finish
    cell childless
}
