# shellcheck shell=bash
# strongSwan as a peer; sourced after lib.sh.
# shellcheck disable=SC2154 # lib.sh assigns them

psk="correct horse battery staple"

# swan_start HOST CONNECTIONS [ROUTES yes|no]: starts charon in HOST with these lines as its swanctl.conf
swan_start() {
    local host=$1 dir=$LAB_TMP/$1/strongswan
    mkdir -p "$dir"
    printf '%s\n' "$2" >"$dir/swanctl.conf"
    cat >"$dir/strongswan.conf" <<END
charon-systemd {
    load = random nonce openssl pem pkcs1 pkcs8 x509 constraints pubkey kdf hmac kernel-netlink socket-default vici
    install_routes = ${3:-yes}
    filelog {
        stderr {
            default = 1
            ike = 2
        }
    }
}
swanctl {
    load = pem pkcs1 pkcs8 x509 pubkey openssl random
}
END
    in_host "$host" rm -f /run/charon.vici
    daemon_start "$host" charon env STRONGSWAN_CONF="$dir/strongswan.conf" charon-systemd
    wait_until 30 "charon in $host" in_host "$host" test -S /run/charon.vici
    holds_within 10 swan_load "$host" || fail "swanctl in $host: $(head -n 1 "$LAB_LOGS/$host.swanctl.log")"
}

swan_load() { swan "$1" --load-all --file "$LAB_TMP/$1/strongswan/swanctl.conf" >"$LAB_LOGS/$1.swanctl.log" 2>&1; } # HOST

# swan HOST ARGUMENT...: swanctl there
swan() {
    local host=$1
    shift
    in_host "$host" env STRONGSWAN_CONF="$LAB_TMP/$host/strongswan/strongswan.conf" swanctl "$@"
}

swan_initiate() { # HOST CHILD
    swan "$1" --initiate --child "$2" --timeout 20 >>"$LAB_LOGS/$1.initiate.log" 2>&1 ||
        fail "strongSwan in $1: $(tail -n 1 "$LAB_LOGS/$1.initiate.log")"
}

swan_established() { swan "$1" --list-sas | grep -q 'ESTABLISHED'; } # HOST

# swan_vips HOST: the virtual addresses that a strongSwan client was given, one a line
swan_vips() { swan "$1" --list-sas --raw | grep -oP 'local-vips=\[\K[^]]*' | tr ' ' '\n' | sort -u; }

# swan_gateway LOCAL_ADDRESS: a strongSwan gateway in gw with pools for clients, on an xfrm interface
swan_gateway() {
    ip -n gw link show ipsec0 >/dev/null 2>&1 || {
        ip -n gw link add ipsec0 type xfrm dev wan0 if_id 42
        ip -n gw link set ipsec0 up
        ip -n gw -6 route add 2001:db8:101::/112 dev ipsec0
        ip -n gw -4 route add 10.77.1.0/24 dev ipsec0
    }
    swan_start gw "
connections {
    clients {
        version = 2
        local_addrs = $1
        proposals = aes256gcm16-prfsha256-x25519
        pools = v4, v6
        if_id_in = 42
        if_id_out = 42
        local {
            auth = psk
            id = gw.example.org
        }
        remote {
            auth = psk
        }
        children {
            net {
                local_ts = 0.0.0.0/0, ::/0
                esp_proposals = aes256gcm16
            }
        }
    }
}
pools {
    v4 {
        addrs = 10.77.1.0/24
    }
    v6 {
        addrs = 2001:db8:101::/112
    }
}
secrets {
    ike-gw {
        id-gw = gw.example.org
        id-alice = alice.example.org
        secret = \"$psk\"
    }
}" no
}

# swan_client HOST ID GATEWAY_ADDRESS: a strongSwan client that asks for an address of each family and reaches the lan
swan_client() {
    swan_start "$1" "
connections {
    home {
        version = 2
        remote_addrs = $3
        vips = 0.0.0.0, ::
        proposals = aes256gcm16-prfsha256-x25519
        local {
            auth = psk
            id = $2
        }
        remote {
            auth = psk
            id = gw.example.org
        }
        children {
            home {
                remote_ts = $lan_net4, $lan_net6
                esp_proposals = aes256gcm16
            }
        }
    }
}
secrets {
    ike-gw {
        id-gw = gw.example.org
        id-client = $2
        secret = \"$psk\"
    }
}"
}
