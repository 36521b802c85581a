#!/bin/sh
# What udhcpc and dhclient call with news of their lease: the address goes onto the interface, nothing else of the machine is touched.
if [ -n "${reason:-}" ]; then # dhclient-script(8)
  ip=${new_ip_address:-} mask=${new_subnet_mask:-} router=${new_routers%% *} event=$reason
else
  mask=${subnet:-} event=$1
fi
case $event in
  deconfig | PREINIT | EXPIRE | FAIL | RELEASE | STOP)
    ip -4 address flush dev "$interface"
    ip link set "$interface" up ;;
  bound | renew | BOUND | RENEW | REBIND | REBOOT)
    ip address replace "$ip/$mask" dev "$interface"
    for other in $(ip -4 -o address show dev "$interface" | awk '{print $4}'); do
      [ "${other%/*}" = "$ip" ] || ip address delete "$other" dev "$interface"
    done
    [ -z "$router" ] || ip route replace default via "${router%% *}" ;;
esac
exit 0
