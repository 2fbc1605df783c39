# shellcheck shell=bash
# strongSwan as a peer; sourced after lib.sh.
# shellcheck disable=SC2154 # lib.sh assigns them

psk="correct horse battery staple"

# swan_start HOST CONNECTIONS [ROUTES yes|no]: starts charon in HOST with these lines as its swanctl.conf; swan_options is a line of
# its own options
swan_start() {
    local host=$1 dir=$LAB_TMP/$1/strongswan
    mkdir -p "$dir"/{x509,x509ca,x509crl,private}
    printf '%s\n' "$2" >"$dir/swanctl.conf"
    cat >"$dir/strongswan.conf" <<END
charon-systemd {
    load = random nonce openssl pem pkcs1 pkcs8 x509 revocation constraints pubkey kdf hmac kernel-netlink socket-default vici
    install_routes = ${3:-yes}
    ${swan_options:-}
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
    in_host "$host" env STRONGSWAN_CONF="$LAB_TMP/$host/strongswan/strongswan.conf" SWANCTL_DIR="$LAB_TMP/$host/strongswan" \
        swanctl "$@"
}

swan_initiate() { # HOST CHILD
    swan "$1" --initiate --child "$2" --timeout 20 >>"$LAB_LOGS/$1.initiate.log" 2>&1 ||
        fail "strongSwan in $1: $(tail -n 1 "$LAB_LOGS/$1.initiate.log")"
}

swan_established() { swan "$1" --list-sas | grep -q 'ESTABLISHED'; } # HOST

# swan_vips HOST: the virtual addresses that a strongSwan client was given, one a line
swan_vips() { swan "$1" --list-sas --raw | grep -oP 'local-vips=\[\K[^]]*' | tr ' ' '\n' | sort -u; }

# swan_auth HOST KIND: the lines of the section `local` for psk, rsa, ecdsa, ed25519, chain; puts what they name in its place
swan_auth() {
    local host=$1 kind=$2 me=gw dir=$LAB_TMP/$1/strongswan certificate
    [ "$host" = gw ] || me=${identity[$host]%%.*}
    mkdir -p "$dir"/{x509,x509ca,x509crl,private}
    rm -f "$dir"/{x509,x509ca,x509crl,private}/*
    if [ "$kind" = psk ]; then
        echo 'auth = psk'
        return
    fi
    cp "$LAB_PKI/$kind-$me.crt" "$dir/x509/"
    cp "$LAB_PKI/$kind-$me.key" "$dir/private/"
    cp "$LAB_PKI/$kind-ca.crt" "$dir/x509ca/"
    cp "$LAB_PKI/$kind-ca.crl" "$dir/x509crl/"
    if [ "$kind" = chain ]; then
        for certificate in one two three; do cp "$LAB_PKI/chain-$certificate.crt" "$dir/x509ca/"; done
    fi
    printf 'auth = pubkey\n            certs = %s-%s.crt\n' "$kind" "$me"
}
swan_remote_auth() { if [ "$1" = psk ]; then echo 'auth = psk'; else echo 'auth = pubkey'; fi; } # KIND

# swan_gateway LOCAL_ADDRESS [AUTH [LINES]]: a strongSwan gateway in gw with pools for clients, on an xfrm interface
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
        ${3:-}
        local {
            $(swan_auth gw "${2:-psk}")
            id = gw.example.org
        }
        remote {
            $(swan_remote_auth "${2:-psk}")
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
        id-bob = bob.example.org
        secret = \"$psk\"
    }
}" no
}

# swan_client HOST ID GATEWAY_ADDRESS [AUTH [LINES]]: a strongSwan client that asks for an address of each family and reaches the lan.
# Its own end is the addresses that it was given, or what swan_local_ts says and the gateway allows.
swan_client() {
    swan_start "$1" "
connections {
    home {
        version = 2
        remote_addrs = $3
        vips = 0.0.0.0, ::
        proposals = aes256gcm16-prfsha256-x25519
        ${5:-}
        local {
            $(swan_auth "$1" "${4:-psk}")
            id = $2
        }
        remote {
            $(swan_remote_auth "${4:-psk}")
            id = gw.example.org
        }
        children {
            home {
                local_ts = ${swan_local_ts:-dynamic}
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

# strongswan_peer HOST LOCAL_ADDRESS OTHER_HOST REMOTE_ADDRESS AUTH MODE active|passive [LINES]: host to host
strongswan_peer() {
    swan_start "$1" "
connections {
    home {
        version = 2
        local_addrs = $2
        remote_addrs = $4
        proposals = aes256gcm16-prfsha256-x25519
        ${8:-}
        local {
            $(swan_auth "$1" "$5")
            id = ${identity[$1]}
        }
        remote {
            $(swan_remote_auth "$5")
            id = ${identity[$3]}
        }
        children {
            home {
                mode = $6
                esp_proposals = aes256gcm16
            }
        }
    }
}
secrets {
    ike-other {
        id-here = ${identity[$1]}
        id-there = ${identity[$3]}
        secret = \"$psk\"
    }
}"
}

# --- as every peer can be driven (interop.sh) ------------------------------------------------------------------------

strongswan_version() { dpkg-query -W -f '${Version}' charon-systemd; }
strongswan_gateway() { swan_gateway "$@"; }                                        # ADDRESS AUTH [LINES]
strongswan_client() { swan_client "$1" "${identity[$1]}" "${@:2}"; }              # HOST GATEWAY_ADDRESS AUTH [LINES]
strongswan_initiate() { swan_initiate "$1" home; }                                 # HOST
strongswan_show() { swan "$1" --list-sas; }                                        # HOST
strongswan_count() { strongswan_show "$1" | grep -c ', ESTABLISHED, ' || :; }      # HOST
strongswan_rekey_ike() { swan_quietly "$1" --rekey --ike "$(swan_name "$1")"; }    # HOST
strongswan_rekey_child() { swan_quietly "$1" --rekey --child "$(swan_child "$1")"; } # HOST
strongswan_delete() { swan_quietly "$1" --terminate --ike "$(swan_name "$1")"; }   # HOST
strongswan_stop() { daemon_stop "$1" charon; }                                     # HOST
strongswan_kill() { # HOST: with what it cannot take away itself then
    local vip vips
    vips=$(swan_vips "$1" || :) # a gateway has none
    daemon_stop "$1" charon KILL
    for vip in $vips; do
        case $vip in
            *:*) ip -n "$1" addr del "$vip/128" dev wan0 2>/dev/null || : ;;
            *) ip -n "$1" addr del "$vip/32" dev wan0 2>/dev/null || : ;;
        esac
    done
    ip -n "$1" -4 route flush table 220 2>/dev/null || :
    ip -n "$1" -6 route flush table 220 2>/dev/null || :
}
swan_name() { swan "$1" --list-conns --raw | sed -n 's/^list-conn event {\([^ ]*\) {.*/\1/p'; } # HOST
swan_child() { swan "$1" --list-conns --raw | sed -n 's/.* children {\([^ ]*\) {.*/\1/p'; } # HOST
swan_quietly() { swan "$@" >>"$LAB_LOGS/$1.command.log" 2>&1; }                    # HOST ARGUMENT...
