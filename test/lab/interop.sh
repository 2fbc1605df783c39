# shellcheck shell=bash
# What the scenarios interop-PEER-WHAT share; sourced with the peer's name. Everything is shown with Sheaf as gateway and as
# client, over IPv6 and over IPv4. What was seen to work becomes a line of LAB_LOGS/cells, from which `scripts/lab table` makes
# docs/interop.md.
# shellcheck disable=SC2154 # lib.sh assigns them

peer=$1
. ../lib.sh
. ../sheaf.sh
# shellcheck source=/dev/null
. "../$peer.sh"

# The families of inner addresses that the peer deals in.
inner() {
    case $peer/$outer in
        strongswan/*) echo 4 6 ;;
        */IPv6) echo 6 ;;
        */IPv4) echo 4 ;;
    esac
}

# cell WHAT ROLE OUTER: was seen to work; ROLE is Sheaf's
cell() {
    printf 'cell\t%s\t%s\t%s\t%s\tok\n' "$peer" "$1" "$2" "$3" >>"$LAB_LOGS/cells"
    step "$3, Sheaf as $2: $1"
}

# at ROLE OUTER: sets us and them, the hosts of Sheaf and of the peer, and the outer addresses
at() {
    role=$1 outer=$2
    case $role in
        gateway) us=gw them=cl1 ;;
        client) us=cl1 them=gw ;;
    esac
    case $outer in
        IPv6) gateway_address=${outer6[gw]} client_address=${outer6[cl1]} ;;
        IPv4) gateway_address=${outer4[gw]} client_address=${outer4[cl1]} ;;
    esac
}

# everywhere FUNCTION ARGUMENT...: in both roles and over both families
everywhere() {
    local place
    for place in "gateway IPv6" "gateway IPv4" "client IPv6" "client IPv4"; do
        # shellcheck disable=SC2086 # two words
        at $place
        "$@"
    done
}

requests() { inner | sed 's/[46]/"ipv&"/g; s/ /, /g'; } # of a Sheaf client

# begin AUTH [PEER_LINES [SHEAF_MEMBERS]]: starts both ends and waits until they are connected
begin() {
    case $role in
        gateway)
            gateway_pools=$(inner | sed 's/[46]/"v&"/g; s/ /, /g')
            sheaf_start gw "$(gateway_config "$1" "${3:-}")"
            "${peer}_client" cl1 "$gateway_address" "$1" "${2:-}"
            "${peer}_initiate" cl1
            ;;
        client)
            retransmit_tries=6
            "${peer}_gateway" "$gateway_address" "$1" "${2:-}"
            sheaf_start cl1 "$(client_config cl1 "$gateway_address" "$(requests)" "$1" "${3:-}")"
            ;;
    esac
    wait_established "$us"
    holds_within 10 peer_count_is 1 || {
        "${peer}_show" "$them" >"$LAB_LOGS/$them.show" 2>&1 || :
        fail "$peer tells of $("${peer}_count" "$them") IKE SAs"
    }
    expect_traffic
}

peer_count_is() { [ "$("${peer}_count" "$them")" = "$1" ]; } # NUMBER

expect_traffic() {
    local family source=
    [ "$peer/$role" != openiked/gateway ] || source=$(openiked_source cl1)
    for family in $(inner); do
        case $family in
            4) expect_ping cl1 $lan4 "$source" ;;
            6) expect_ping cl1 $lan6 "$source" ;;
        esac
    done
}

# finish: ends both ends; nothing of ours may be left
finish() {
    sheaf_stop "$us"
    expect_nothing_of_ours "$us" "after SIGTERM"
    wait_until 10 "$peer has taken the DELETE" peer_count_is 0
    "${peer}_stop" "$them"
}

# --- what is shown ---------------------------------------------------------------------------------------------------

authenticates() { # AUTH
    witness_start "$role-$outer" rt gw0
    begin "$1"
    witness_stop "$role-$outer"
    expect_only_esp "$role-$outer"
    finish
    cell "$1" "$role" "$outer"
}
