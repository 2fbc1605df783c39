# shellcheck shell=bash
# A group of sites: members with a network each, a gateway that is a member of nothing; sourced after sheaf.sh.
# shellcheck disable=SC2154 # lib.sh and sheaf.sh assign them
# shellcheck disable=SC2016 # awk has dollars, too
# shellcheck disable=SC2034 # scenarios use what is not used here
#
#   h1 --- cl1 --- rt --- gw         Behind clN there is 2001:db8:10N::/64 and 10.77.N.0/24, with the host hN.
#   h2 --- cl2 ---'                  Members 1 and 2 are reached over IPv6, 3 and beyond reach each other over IPv4, and the
#   ...                              one half the other over IPv6.

site_net6() { echo "2001:db8:10$1::"; } # N
site_net4() { echo "10.77.$1."; }
host6() { echo "$(site_net6 "$1")9"; } # N: of hN
host4() { echo "$(site_net4 "$1")9"; }

# pair_family N M: over what the two send to each other
pair_family() { if [ "$1" -ge 3 ] && [ "$2" -ge 3 ]; then echo 4; else echo 6; fi; }
# outer_of N M: the address of N that M sends to
outer_of() { if [ "$(pair_family "$1" "$2")" = 4 ]; then echo "${outer4[cl$1]}"; else echo "${outer6[cl$1]}"; fi; }

# sites_topology N...: the members' networks, after `topology`
sites_topology() {
    local n
    for n; do host_add "h$n"; done
    for n; do cable "cl$n" lan0 "h$n" eth0; done | ip -batch -
    for n; do
        in_host "cl$n" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        address_add "cl$n" lan0 "$(site_net6 "$n")1/64" "$(site_net4 "$n")1/24"
        {
            address_lines lo
            address_lines eth0 "$(host6 "$n")/64" "$(host4 "$n")/24"
            default_lines "$(site_net6 "$n")1" "$(site_net4 "$n")1"
        } | ip -n "h$n" -batch -
    done
}

# --- configurations --------------------------------------------------------------------------------------------------

# What these write is for scenarios to change. The span of retransmissions is 7 times the first wait.
group_retransmit="\"retransmit\": { \"first\": \"$((300 * ${lab_patience:-1}))ms\", \"tries\": 3 }"
group_lifetime=1h
group_send_after=$((4 * ${lab_patience:-1}))s # longer than that span
group_refuse_after=$((30 + 4 * ${lab_patience:-1}))s
group_serve=           # members of "serve", each with a comma before it
group_gateway_members= # members of the gateway's connection, each with a comma after it
group_member_members=  # members of a member's connection, likewise

group_gateway_config() {
    cat <<END
{
  "group_file": "groups.db",
  "groups": {
    "sites": {
      "serve": {
        "lifetime": "$group_lifetime",
        "rollover": { "send_after": "$group_send_after", "refuse_after": "$group_refuse_after" }$group_serve
      }
    }
  },
  $(credentials gw psk)
  "connections": {
    "members": {
      "role": "peer",
      $group_gateway_members
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "group": "sites",
      "liveness": "${liveness:-10s}",
      $group_retransmit
    }
  }
}
END
}

# site_lines N M...: "sites" of the member N, of all the others
site_lines() {
    local n=$1 m separator=
    shift
    for m; do
        [ "$m" != "$n" ] || continue
        printf '%s"%s": ["%s/64", "%s0/24"]' "$separator" "$(outer_of "$m" "$n")" "$(site_net6 "$m")" "$(site_net4 "$m")"
        separator=', '
    done
}

# member_config N SITES: the even ones speak IKE over IPv4, the others over IPv6
member_config() {
    local gateway=${outer6[gw]}
    [ $(($1 % 2)) = 1 ] || gateway=${outer4[gw]}
    cat <<END
{
  "groups": {
    "sites": {
      "join": {
        "interface": "sheaf-sites",
        "addresses": ["${outer6[cl$1]}", "${outer4[cl$1]}"],
        "sites": { $2 }
      }
    }
  },
  $(credentials "cl$1" psk)
  "connections": {
    "hub": {
      "role": "peer",
      $group_member_members
      "local": { "id": "${identity[cl$1]}" },
      "remote": { "id": "gw.example.org", "address": "$gateway" },
      "group": "sites",
      "start": true,
      "liveness": "${liveness:-3s}",
      $group_retransmit
    }
  }
}
END
}

# members_up N...: all at once by the scenario's member_launch, until each is in the group
members_up() {
    local n
    for n; do member_launch "$n"; done
    for n; do sheaf_ready "cl$n"; done
    for n; do wait_in_group "$n"; done
}

# --- what `sheafctl --json groups` says ------------------------------------------------------------------------------

group_of() { sheaf_json "$1" groups | jq -r "first(.groups[] | select(.group == \"sites\")) | $2"; } # HOST EXPRESSION

# in_group N: it has an SA, and sends with it
in_group() { [ "$(group_of "cl$1" .state)" = up ]; }
wait_in_group() { wait_until 30 "cl$1 is in the group" in_group "$1"; } # N

# --- what is seen ----------------------------------------------------------------------------------------------------

# expect_answer_soon HOST ADDRESS: asks until there is one. Not by one ping with a deadline, which an unreachable ends.
expect_answer_soon() {
    holds_within 20 in_host "$1" ping -n -q -c 1 -W 0.3 "$2" || fail "$1 gets no answer from $2"
}

# expect_all_pairs N...: the hosts behind these members reach each other, over IPv6 and IPv4; those behind one are asked in turn
expect_all_pairs() {
    local n m pid pids=()
    for n; do
        for m; do
            [ "$n" != "$m" ] || continue
            expect_ping "h$n" "$(host6 "$m")"
            expect_ping "h$n" "$(host4 "$m")"
        done &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || exit 1; done # it has said why
}

# witnesses_start NAME N...: at the gateway (NAME-gw) and at each of these members (NAME-1 ...), outside
witnesses_start() {
    local name=$1 n
    shift
    witness_open "$name-gw" rt gw0
    for n; do witness_open "$name-$n" rt "cl$n"; done
    for n in gw "$@"; do witness_ready "$name-$n"; done
}
witnesses_stop() {
    local name=$1 n
    shift
    sleep 0.2 # what is still on its way to them
    for n in gw "$@"; do daemon_signal rt "tcpdump-$name-$n"; done
    for n in gw "$@"; do daemon_end rt "tcpdump-$name-$n"; done
}

esp_filter="(ip6 proto 50 or ip proto 50)"
# ESP with an SPI that a group's gateway gives; from 0xf0000000 on
group_filter="((ip6 proto 50 and ip6[40:4] >= 0xf0000000) or (ip proto 50 and ip[20:4] >= 0xf0000000))"

# expect_unseen NAME FILTER WHAT: the witness saw none of it
expect_unseen() {
    local packets
    packets=$(witness_show "$1" "$2")
    [ -z "$packets" ] || fail "$3: $(wc -l <<<"$packets") packets, the first: $(head -n 1 <<<"$packets")"
}

# expect_direct NAME N...: between each two of these members ESP went straight, the gateway carried none, and nothing was in clear
expect_direct() {
    local name=$1 n m count from to
    local -A packets
    shift
    expect_unseen "$name-gw" "$group_filter or $plaintext_filter" "the gateway carried what is the group's"
    for n; do
        expect_unseen "$name-$n" "$plaintext_filter" "at cl$n the group's packets were in clear"
        packets=()
        while read -r count from to; do packets[$from $to]=$count; done < <(witness_show "$name-$n" "$group_filter" |
            awk '{ sub(/:$/, "", $5); count[$3 " " $5]++ } END { for (ends in count) print count[ends], ends }')
        for m; do
            [ "$n" != "$m" ] || continue
            count=${packets[$(outer_of "$m" "$n") $(outer_of "$n" "$m")]:-0}
            [ "$count" -ge 6 ] || fail "from cl$m to cl$n there were $count packets of the group only"
        done
    done
}

# group_spis HOST: those in its kernel
group_spis() { ip -n "$1" xfrm state show nokeys | grep -o 'spi 0xf[0-9a-f]*' | cut -d ' ' -f 2 | sort -u; }

# keys_of HOST FOLDER: what the host's kernel holds of the group, keys and all, as a table for Wireshark
keys_of() {
    mkdir -p "$2"
    ip -n "$1" xfrm state show | awk '
        function tell() {
            if (spi ~ /^0xf/ && cipher && !told[spi]++)
                for (ip = 4; ip <= 6; ip += 2)
                    printf "\"IPv%d\",\"*\",\"*\",\"%s\",\"AES-CBC [RFC3602]\",\"%s\",\"HMAC-SHA-256-128 [RFC4868]\",\"%s\"\n",
                        ip, spi, cipher, integrity
            spi = cipher = integrity = ""
        }
        $1 == "src" { tell() }
        $1 == "proto" { for (i = 1; i < NF; i++) if ($i == "spi") spi = substr($(i + 1), 1, 10) }
        $1 == "auth-trunc" { integrity = $3 }
        $1 == "enc" { cipher = $3 }
        END { tell() }' >"$2/esp_sa"
    [ -s "$2/esp_sa" ] || fail "$1 holds no SA of the group"
}

# opened_with FOLDER NAME...: for each of these witnesses "NAME SEEN OPENED SPIS": how many packets of ESP it saw, how many of them
# these keys open, and the SPIs. One run of tshark for all: to start it takes ten seconds on an emulated machine.
opened_with() {
    local keys=$1
    shift
    (cd "$LAB_LOGS" && mergecap -I none -w "$keys/all.pcapng" "${@/%/.pcap}")
    HOME=$LAB_TMP WIRESHARK_CONFIG_DIR=$keys tshark -n -r "$keys/all.pcapng" -Y esp -T fields -E separator=, \
        -e frame.interface_id -e esp.spi -e icmp.type -e icmpv6.type \
        -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE 2>>"$LAB_LOGS/tshark.log" |
        awk -F , -v names="$*" '
            { seen[$1]++; if ($3 $4 != "") opened[$1]++; if (index(spis[$1], $2) == 0) spis[$1] = spis[$1] " " $2 }
            END { n = split(names, name, " "); for (i = 1; i <= n; i++) print name[i], seen[i - 1] + 0, opened[i - 1] + 0 spis[i - 1] }'
}
