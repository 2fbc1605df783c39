# shellcheck shell=bash
# Sheaf in the lab: configurations, start and stop, what its JSON says; sourced after lib.sh.
# shellcheck disable=SC2154 # lib.sh assigns them
# shellcheck disable=SC2016 # awk has dollars, too
# shellcheck disable=SC2034 # scenarios use what is not used here

psk="correct horse battery staple"
pool6=2001:db8:100::/48 pool4=10.77.0.0/24
declare -A identity=([gw]=gw.example.org [cl1]=alice.example.org [cl2]=bob.example.org [cl3]=carol.example.org
    [cl4]=dave.example.org [cl5]=erin.example.org [cl6]=frank.example.org)

# --- what the JSON of `sheafctl --json status` says: all expressions are here ----------------------------------------

sheaf_json() { in_host "$1" "$LAB_BIN/sheafctl" --json "${@:2}"; } # HOST COMMAND...

# established HOST [PEER_ID]: how many established IKE SAs with a Child SA in the kernel there are
established() {
    sheaf_json "$1" status | jq --arg peer "${2:-}" '[.ike_sas[]
        | select(.state == "established" and ($peer == "" or .peer_id == $peer))
        | select(any(.children[]; .installed))] | length'
}

# given_prefix HOST: the client's own /64; given_address4 HOST: its IPv4 address; given_address6 HOST: its first IPv6 address
given_addresses() { sheaf_json "$1" status | jq -r 'first(.ike_sas[] | select(.state == "established")) | .link.addresses[]'; }
given_address6() { given_addresses "$1" | sed -n '/^fe80:/d;/:/{s|/.*||p;q}'; }
given_address4() { given_addresses "$1" | sed -n '/:/!{s|/.*||p;q}'; }
given_prefix() { prefix64 "$(given_address6 "$1")"; }

# gateway_gave PEER_ID: what the gateway routes to this client, one prefix a line
gateway_gave() {
    sheaf_json gw status | jq -r --arg peer "$1" 'first(.ike_sas[] | select(.peer_id == $peer and .state == "established"))
        | .link.prefixes[]'
}

# --- what `sheafctl --json clients` and `pools` say of the gateway ---------------------------------------------------

# client_of PEER_ID EXPRESSION: of the only link of this client
client_of() { sheaf_json gw clients "$1" | jq -r --arg id "$1" ".clients[] | select(.peer_id == \$id) | $2"; }
# client_prefixes PEER_ID: what is routed to it, IPv6 only, in the order of the pools
client_prefixes() { client_of "$1" '.prefixes[] | select(contains(":"))'; }
# all_prefixes: of all clients, a line each
all_prefixes() { sheaf_json gw clients | jq -r '.clients[] | "\(.peer_id) \(.prefixes | sort | join(" "))"' | sort; }
pool_of() { sheaf_json gw pools | jq -r --arg name "$1" ".pools[] | select(.name == \$name) | $2"; } # NAME EXPRESSION

# prefix64 ADDRESS: the first four groups, so that "$(prefix64 A)::7" is an address of the same /64. Our pool's addresses are
# 2001:db8:100:N:..., so the first four groups are always written out, except where N is 0.
prefix64() {
    local groups
    IFS=: read -ra groups <<<"${1%%::*}"
    while [ ${#groups[@]} -lt 4 ]; do groups+=(0); done
    (IFS=: && printf '%s\n' "${groups[*]:0:4}")
}

# --- configurations --------------------------------------------------------------------------------------------------

# What these write is for scenarios to change by variables: each has the text that stands in the configuration.
gateway_pools='"v6", "v4"' # of gateway_config
pool6_delegate=64          # of gateway_config
lease_file=leases.db       # of gateway_config: each scenario begins without leases
retransmit_tries=3         # of client_config and peer_config
retransmit_first=$((500 * ${lab_patience:-1}))ms
liveness=                  # of all; without, as each has it

# own_name HOST: what the host's files in LAB_PKI are called
own_name() { if [ "$1" = gw ]; then echo gw; else echo "${identity[$1]%%.*}"; fi; }

# credentials HOST AUTH: the members that hold them, for psk and the kinds of scripts/lab.d/pki
credentials() {
    local name
    if [ "$2" = psk ]; then
        echo '"secrets": {'
        for name in gw alice bob carol dave erin frank; do
            printf '    "%s": { "id": "%s.example.org", "text": "%s" }%s\n' $name $name "$psk" "$([ $name = frank ] || echo ,)"
        done
        echo '  },'
        return
    fi
    name=$LAB_PKI/$2-$(own_name "$1")
    cat <<END
"certificates": {
    "own": { "file": "$name.pem", "key_file": "$name.key" }
  },
  "authorities": {
    "lab": { "file": "$LAB_PKI/$2-ca.crt", "crls": ["$LAB_PKI/$2-ca.crl"] }
  },
END
}

# shellcheck disable=SC2120 # without arguments, too
gateway_config() { # [AUTH [MEMBERS]]: MEMBERS of the connection, each with a comma after it
    cat <<END
{
  "pools": {
    "v6": { "prefix": "$pool6", "delegate": $pool6_delegate },
    "v4": { "prefix": "$pool4" }
  },
  "lease_file": "$lease_file",
  $(credentials gw "${1:-psk}")
  "connections": {
    "clients": {
      "role": "gateway",
      ${2:-}
      "local": { "id": "gw.example.org" },
      "remote": { "id": "*.example.org" },
      "pools": [$gateway_pools],
      "liveness": "${liveness:-10s}"
    }
  }
}
END
}

client_config() { # HOST GATEWAY_ADDRESS [REQUEST [AUTH [MEMBERS]]]
    cat <<END
{
  $(credentials "$1" "${4:-psk}")
  "connections": {
    "home": {
      "role": "client",
      ${5:-}
      "local": { "id": "${identity[$1]}" },
      "remote": { "id": "gw.example.org", "address": "$2" },
      "request": [${3:-\"prefix\", \"ipv4\", \"dns\"}],
      "interface": "sheaf0",
      "liveness": "${liveness:-3s}",
      "retransmit": { "first": "$retransmit_first", "tries": $retransmit_tries },
      "start": true
    }
  }
}
END
}

# peer_config HOST LOCAL_ADDRESS OTHER_HOST REMOTE_ADDRESS AUTH CHILD [MEMBERS]: neither gives addresses to the other; CHILD has the
# members of the only child
peer_config() {
    cat <<END
{
  $(credentials "$1" "$5")
  "connections": {
    "site": {
      "role": "peer",
      ${7:-}
      "local": { "id": "${identity[$1]}", "address": "$2" },
      "remote": { "id": "${identity[$3]}", "address": "$4" },
      "liveness": "${liveness:-3s}",
      "retransmit": { "first": "$retransmit_first", "tries": $retransmit_tries },
      "children": {
        "net": { $6 }
      }
    }
  }
}
END
}

# --- start and stop --------------------------------------------------------------------------------------------------

sheaf_options=() # more of them for sheafd

# sheaf_start HOST [CONFIGURATION]: starts sheafd with it, or the one before, and waits until it answers
sheaf_start() { sheaf_launch "$@" && sheaf_ready "$1"; }
sheaf_launch() { # HOST [CONFIGURATION]: without waiting
    local file=$LAB_TMP/$1/sheafd.json
    [ $# -lt 2 ] || printf '%s\n' "$2" >"$file"
    chmod 600 "$file"
    daemon_start "$1" sheafd "$LAB_BIN/sheafd" --config "$file" --log-level debug "${sheaf_options[@]}"
}
sheaf_ready() { # HOST
    holds_within 20 sheaf_answers "$1" || fail "sheafd in $1 does not answer: $(tail -n 1 "$LAB_LOGS/$1.sheafd.log")"
}

sheaf_answers() { daemon_runs "$1" sheafd && sheaf_json "$1" version; } # HOST

sheaf_stop() { # HOST...: by SIGTERM, to all at once; each must end well
    local host
    for host; do daemon_signal "$host" sheafd; done
    for host; do
        daemon_end "$host" sheafd
        [ "$daemon_exit" = 0 ] || fail "sheafd in $host ended with exit code $daemon_exit: $(tail -n 1 "$LAB_LOGS/$host.sheafd.log")"
    done
}

sheaf_order() { sheaf_json "$@" >>"$LAB_LOGS/$1.orders.log" 2>&1; } # HOST COMMAND...

# child_spis HOST: of the SAs in the kernel that are ours; ike_spis HOST: of the established IKE SAs
child_spis() { kernel_ours "$1" | sed -n 's/^state .* spi \(0x[0-9a-f]*\) .*/\1/p' | sort; }
ike_spis() { sheaf_json "$1" status | jq -r '.ike_sas[] | select(.state == "established") | .spi_i + .spi_r' | sort; }

is_established() { [ "$(established "$@")" -ge 1 ]; } # HOST [PEER_ID]

wait_established() { # HOST [PEER_ID]
    holds_within 45 is_established "$@" ||
        fail "$1 is not connected${2:+ with $2} within 45 s: $(tail -n 1 "$LAB_LOGS/$1.sheafd.log")"
}

sheaf_up_all() { # GATEWAY_ADDRESS CLIENT...: gateway and clients, until each is connected
    local address=$1 client
    shift
    sheaf_start gw "$(gateway_config psk)"
    for client; do sheaf_start "$client" "$(client_config "$client" "$address")"; done
    for client; do
        wait_established "$client"
        wait_established gw "${identity[$client]}"
    done
}

# --- a client that cheats --------------------------------------------------------------------------------------------

# spoof_from CLIENT ADDRESS: lets CLIENT send from an ADDRESS that is not its own into its tunnel. Its own policies forbid it, so
# it gets one more, as a dishonest client would make it; the gateway must be the one that drops.
spoof_from() {
    local number local_address gateway
    number=$(ip -n "$1" xfrm policy show dir out | grep -o 'if_id 0x53[0-9a-f]*' | head -n 1 | cut -d ' ' -f 2)
    read -r local_address gateway < <(ip -n "$1" xfrm policy show dir out | awk '$1 == "tmpl" { print $3, $5; exit }')
    [ -n "$number$gateway" ] || fail "$1 has no outbound policy to imitate"
    spoof_policy=(src "$2" dst ::/0 dir out if_id "$number")
    ip -n "$1" addr add "$2/128" dev sheaf0 nodad
    ip -n "$1" xfrm policy add "${spoof_policy[@]}" \
        tmpl src "$local_address" dst "$gateway" proto esp reqid "$(reqid_out "$1")" mode tunnel
}
reqid_out() { ip -n "$1" xfrm policy show dir out | grep -o 'reqid [0-9]*' | head -n 1 | cut -d ' ' -f 2; } # HOST

spoof_end() { # CLIENT ADDRESS
    ip -n "$1" xfrm policy delete "${spoof_policy[@]}"
    ip -n "$1" addr del "$2/128" dev sheaf0
}

# spoof_drops HOST: packets that the kernel there dropped because no policy admits their inner source
spoof_drops() {
    in_host "$1" awk '$1 ~ /^XfrmIn(NoPols|TmplMismatch|StateMismatch|PolBlock)$/ { n += $2 } END { print n + 0 }' /proc/net/xfrm_stat
}
