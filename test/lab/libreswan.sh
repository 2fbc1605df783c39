# shellcheck shell=bash
# libreswan as a peer; sourced after lib.sh. `ipsec` finds its configuration, its database of keys and its socket by the environment,
# so that several may run beside each other.
# shellcheck disable=SC2154 # lib.sh assigns them

psk="correct horse battery staple"

# ipsec_in HOST ARGUMENT...: the command ipsec there
ipsec_in() {
    local host=$1 dir=$LAB_TMP/$1/libreswan
    shift
    in_host "$host" env IPSEC_CONF="$dir/ipsec.conf" IPSEC_SECRETS="$dir/ipsec.secrets" IPSEC_NSSDIR="$dir/nss" \
        IPSEC_CONFDDIR="$dir/ipsec.d" IPSEC_RUNDIR=/run/pluto ipsec "$@"
}

# libreswan_start HOST CONNECTION: starts pluto in HOST with these lines as the connection "home"
libreswan_start() {
    local host=$1 dir=$LAB_TMP/$1/libreswan
    rm -rf "$dir"
    mkdir -p "$dir"/{nss,ipsec.d/cacerts,ipsec.d/crls,ipsec.d/policies}
    printf 'config setup\n    uniqueids=yes\nconn home\n%s\n' "$2" >"$dir/ipsec.conf"
    printf ': PSK "%s"\n' "$psk" >"$dir/ipsec.secrets"
    chmod 600 "$dir/ipsec.secrets"
    in_host "$host" mkdir -p /run/pluto
    in_host "$host" rm -f /run/pluto/pluto.{ctl,pid}
    ipsec_in "$host" initnss --nssdir "$dir/nss" >"$LAB_LOGS/$host.nss.log" 2>&1
    libreswan_keys "$host"
    daemon_start "$host" pluto ipsec pluto --nofork --stderrlog --config "$dir/ipsec.conf" --rundir /run/pluto \
        --secretsfile "$dir/ipsec.secrets" --nssdir "$dir/nss" --ipsecdir "$dir/ipsec.d"
    wait_until 30 "pluto in $host" in_host "$host" test -S /run/pluto/pluto.ctl
    holds_within 20 libreswan_load "$host" || fail "libreswan in $host: $(tail -n 1 "$LAB_LOGS/$host.load.log")"
}

# libreswan_keys HOST: puts the certificates that the configuration names into the database
libreswan_keys() {
    local host=$1 dir=$LAB_TMP/$1/libreswan name
    name=$(sed -n 's/^ *leftcert=//p' "$dir/ipsec.conf")
    [ -n "$name" ] || return 0
    {
        pk12util -i "$LAB_PKI/$name.p12" -d "sql:$dir/nss" -W sheaf
        certutil -d "sql:$dir/nss" -M -n "$(libreswan_authority "$dir" "${name%%-*}-ca")" -t CT,,
        openssl crl -in "$LAB_PKI/${name%%-*}-ca.crl" -outform DER -out "$dir/crl"
        crlutil -I -i "$dir/crl" -d "sql:$dir/nss" -B
    } >>"$LAB_LOGS/$host.nss.log" 2>&1 || fail "no keys for libreswan in $host: $(tail -n 1 "$LAB_LOGS/$host.nss.log")"
}

# libreswan_authority DIR NAME: the nickname that the authority got from its subject
libreswan_authority() { certutil -d "sql:$1/nss" -L | sed -n "s/^\(.*[^ ]\)  *[a-zA-Z]*,[a-zA-Z]*,[a-zA-Z]* *$/\1/p" | grep -F "$2"; }

libreswan_load() { # HOST
    ipsec_in "$1" whack --listen >"$LAB_LOGS/$1.load.log" 2>&1 &&
        ipsec_in "$1" addconn --config "$LAB_TMP/$1/libreswan/ipsec.conf" --ctlsocket /run/pluto/pluto.ctl home \
            >>"$LAB_LOGS/$1.load.log" 2>&1 &&
        ipsec_in "$1" whack --status | grep -q '"home"'
}

# libreswan_auth HOST KIND: the lines of a connection for psk, rsa, ecdsa, chain
libreswan_auth() {
    local me=gw
    [ "$1" = gw ] || me=${identity[$1]%%.*}
    case $2 in
        psk) echo "    authby=secret" ;;
        ecdsa) echo "    authby=ecdsa" ;;
        rsa | chain) echo "    authby=rsa-sha2" ;;
        *) fail "libreswan has no authentication by $2" ;;
    esac
    case $2 in psk) ;; *) printf '    leftcert=%s-%s\n    leftsendcert=always\n    rightca=%%same\n    sendca=all\n' "$2" "$me" ;; esac
}

libreswan_terms="    ikev2=insist
    ike=aes_gcm256-sha2_256;dh31
    esp=aes_gcm256
    retransmit-timeout=15s
    auto=add"

# Inside it deals in the family of the outside only.
libreswan_inside() { # OUTER_ADDRESS
    case $1 in
        *:*) anything=::/0 lan_net=$lan_net6 pool=2001:db8:101::2-2001:db8:101::ff ;;
        *) anything=0.0.0.0/0 lan_net=$lan_net4 pool=10.77.1.2-10.77.1.100 ;;
    esac
}

# libreswan_gateway ADDRESS AUTH [LINES]: a gateway in gw with a pool for clients. With ECDSA it takes a name that is in the client's
# certificate only if it is told which.
libreswan_gateway() {
    local anything lan_net pool who=
    [ "$2" != ecdsa ] || who="
    rightid=@${identity[cl1]}"
    libreswan_inside "$1"
    libreswan_start gw "    left=$1
    leftid=@gw.example.org
    leftsubnet=$anything
    leftmodecfgserver=yes
    leftupdown=%disabled
    right=%any$who
    rightaddresspool=$pool
    rightmodecfgclient=yes
    narrowing=yes
$libreswan_terms
$(libreswan_auth gw "$2")${3:+
$3}"
}

# libreswan_client HOST GATEWAY_ADDRESS AUTH [LINES]: a client that asks for an address
libreswan_client() {
    local anything lan_net pool
    libreswan_inside "$2"
    libreswan_start "$1" "    left=%defaultroute
    leftid=@${identity[$1]}
    leftsubnet=$anything
    leftmodecfgclient=yes
    right=$2
    rightid=@gw.example.org
    rightsubnet=$lan_net
    narrowing=yes
$libreswan_terms
$(libreswan_auth "$1" "$3")${4:+
$4}"
}

# libreswan_peer HOST LOCAL_ADDRESS OTHER_HOST REMOTE_ADDRESS AUTH MODE active|passive [LINES]: host to host
libreswan_peer() {
    libreswan_start "$1" "    left=$2
    leftid=@${identity[$1]}
    right=$4
    rightid=@${identity[$3]}
    type=$6
$libreswan_terms
$(libreswan_auth "$1" "$5")${8:+
$8}"
}

libreswan_version() { dpkg-query -W -f '${Version}' libreswan; }
libreswan_initiate() { # HOST
    ipsec_in "$1" whack --initiate --name home >>"$LAB_LOGS/$1.initiate.log" 2>&1 ||
        fail "libreswan in $1: $(tail -n 1 "$LAB_LOGS/$1.initiate.log")"
}

libreswan_show() { ipsec_in "$1" whack --showstates; } # HOST
libreswan_count() { libreswan_show "$1" | grep -c 'STATE_V2_ESTABLISHED_IKE_SA' || :; } # HOST
libreswan_rekey_ike() { ipsec_in "$1" whack --rekey-ike --name home >>"$LAB_LOGS/$1.rekey.log" 2>&1; }     # HOST
libreswan_rekey_child() { ipsec_in "$1" whack --rekey-ipsec --name home >>"$LAB_LOGS/$1.rekey.log" 2>&1; } # HOST
libreswan_delete() { ipsec_in "$1" whack --terminate --name home >>"$LAB_LOGS/$1.delete.log" 2>&1; }       # HOST
libreswan_stop() { daemon_stop "$1" pluto; }                                                               # HOST
libreswan_kill() { # HOST: with what it cannot take away itself then
    daemon_stop "$1" pluto KILL
    ip -n "$1" -o addr show dev lo scope global | awk '{ print $4 }' | while read -r lease; do ip -n "$1" addr del "$lease" dev lo; done
    [ "$1" != gw ] || return 0 # whose routes to the lan are its own
    ip -n "$1" route del "$lan_net4" 2>/dev/null || : # of one family only
    ip -n "$1" route del "$lan_net6" 2>/dev/null || :
}
