# shellcheck shell=bash
# OpenIKED as a peer; sourced after lib.sh. Its files are in /etc/iked, so each host gets one of its own. It begins a connection by itself.
# It rekeys by its lifetimes only. Its Linux build has neither AEAD nor HMAC-SHA2-256 for ESP.
# shellcheck disable=SC2154 # lib.sh assigns them
# shellcheck disable=SC2016 # a shell within has dollars, too

psk="correct horse battery staple"
openiked_lifetimes= # "ikelifetime SECONDS lifetime SECONDS": when it is to rekey

# openiked_start HOST AUTH POLICY: starts iked in HOST with this policy
openiked_start() {
    local host=$1 dir=$LAB_TMP/$1/openiked
    modprobe -q af_key || : # a kernel may have it built in
    [ -d "$dir" ] || {
        mkdir -p "$dir"
        in_host "$host" mount --bind "$dir" /etc/iked
    }
    rm -rf "${dir:?}"/* "$LAB_LOGS/$host.iked.log"
    mkdir -p "$dir"/{ca,certs,crls,private,pubkeys/{ipv4,ipv6,fqdn,ufqdn}}
    openiked_keys "$host" "$2"
    printf 'set fragmentation\n%s\n' "$3" >"$dir/iked.conf"
    chmod 600 "$dir/iked.conf"
    in_host "$host" mkdir -p /run/iked /run/openiked
    # It closes every descriptor that it could have, one after the other, so let it be few.
    daemon_start "$host" iked sh -c 'ulimit -n 256; exec iked -dvv -f "$0"' "$dir/iked.conf"
    # Its last setting: before, it answers as if it had none.
    wait_until 30 "iked in $host" log_says "$host" iked 'config_getstatic: no stickyaddress'
}

openiked_keys() { # HOST AUTH
    local dir=$LAB_TMP/$1/openiked kind=$2 me=gw
    [ "$1" = gw ] || me=${identity[$1]%%.*}
    [ "$kind" != psk ] || kind=ecdsa # a key is wanted anyway
    cp "$LAB_PKI/$kind-ca.crt" "$dir/ca/"
    if [ "$kind" = chain ]; then
        cp "$LAB_PKI"/chain-{one,two,three}.crt "$dir/ca/" # it takes none from its peer
    else
        cp "$LAB_PKI/$kind-ca.crl" "$dir/crls/" # with one it wants one of each authority
    fi
    cp "$LAB_PKI/$kind-$me.crt" "$dir/certs/"
    cp "$LAB_PKI/$kind-$me.key" "$dir/private/local.key"
    openssl pkey -in "$dir/private/local.key" -pubout -out "$dir/local.pub"
    chmod 600 "$dir/private/local.key"
}

openiked_auth() { # KIND: the words of a policy
    case $1 in
        psk) echo "psk \"$psk\"" ;;
        rsa | chain) echo rsa ;;
        ecdsa) echo ecdsa256 ;;
        *) fail "openiked has no authentication by $1" ;;
    esac
}

openiked_terms='ikesa enc aes-256-gcm prf hmac-sha2-256 group curve25519 childsa enc aes-256 auth hmac-sha2-512'

# On Linux its SADB entries carry inside what they carry outside only: the kernel's selector of a state has one family.
openiked_inside() { # OUTER_ADDRESS
    case $1 in
        *:*) anything=::/0 lan_net=$lan_net6 pool=2001:db8:101::/112 any_address=:: ;;
        *) anything=0.0.0.0/0 lan_net=$lan_net4 pool=10.77.1.0/24 any_address=any ;;
    esac
}

openiked_gateway() { # ADDRESS AUTH [WORDS]
    local anything lan_net pool any_address
    openiked_inside "$1"
    openiked_start gw "$2" "ikev2 \"home\" passive ${3:-} esp from $anything to dynamic local $1 peer any $openiked_terms \
        srcid gw.example.org $openiked_lifetimes $(openiked_auth "$2") config address $pool"
}

openiked_client() { # HOST GATEWAY_ADDRESS AUTH [WORDS]
    local anything lan_net pool any_address own
    openiked_inside "$2"
    case $2 in *:*) own=${outer6[$1]} ;; *) own=${outer4[$1]} ;; esac
    ip -n "$1" link show lan0 >/dev/null 2>&1 || {
        ip -n "$1" link add lan0 type dummy
        ip -n "$1" link set lan0 up
    }
    openiked_start "$1" "$3" "ikev2 \"home\" active ${4:-} esp from $anything to $lan_net local $own peer $2 $openiked_terms \
        srcid ${identity[$1]} dstid gw.example.org $openiked_lifetimes $(openiked_auth "$3") \
        request address $any_address iface lan0"
}

# openiked_peer HOST LOCAL_ADDRESS OTHER_HOST REMOTE_ADDRESS AUTH MODE active|passive [WORDS]: host to host
openiked_peer() {
    openiked_start "$1" "$5" "ikev2 \"home\" $7 $6 esp from $2 to $4 local $2 peer $4 $openiked_terms \
        srcid ${identity[$1]} dstid ${identity[$3]} $openiked_lifetimes $(openiked_auth "$5")"
}

# It routes nothing through the address that it was given: who wants to use it must say so.
openiked_source() { ip -n "$1" -o addr show dev lan0 scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }'; } # HOST

openiked_version() { dpkg-query -W -f '${Version}' openiked; }
openiked_initiate() { :; } # it has begun by itself
openiked_show() { in_host "$1" ikectl show sa; } # HOST
openiked_count() { openiked_show "$1" | grep -c '^iked_sas: .* ESTABLISHED ' || :; } # HOST
openiked_delete() { in_host "$1" ikectl reset sa; }                             # HOST
openiked_stop() { daemon_stop "$1" iked; }                                      # HOST
# Its other processes would end by themselves, but not before the next start.
openiked_kill() { # HOST
    local pid=${daemon_pids[$1/iked]}
    daemon_children=$(pgrep -P "$pid" || :)
    daemon_stop "$1" iked KILL
    # shellcheck disable=SC2086 # one word each
    [ -z "$daemon_children" ] || kill -KILL $daemon_children 2>/dev/null || :
}
