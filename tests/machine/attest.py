#!/usr/bin/env python3
"""What the warden says of a confidential VM, asked for by its owner, who has the host file and the machine's public key.
timeout: 120 s
"""

import json

from lib import steps
from lib.host import BUILD, Host, outlive, scratch
from lib.steps import check

INVALID, REFUSED, UNTRUSTED = 4, 6, 7
NONCE = "00112233445566778899aabbccddeeff"


def vm(name, **more):
    return {"name": name, "memory": "32MiB", "kernel": str(BUILD / "guests/secret.elf"), "cmdline": "here", **more}


def host_file(name, *vms):
    path = scratch() / f"{name}.yaml"
    path.write_text(json.dumps({"vms": vms}), encoding="utf-8")
    return path


def attest(host, *arguments, status=0):
    """The report that the command prints, and its verdict."""
    return json.loads(host.run("attest", "secret", "--json", *arguments, status=status).stdout)


def step_reports():
    seed, report = scratch() / "seed", scratch() / "report"
    with Host({"harts": 2}, [vm("secret", confidential=True), vm("plain")], "--attestation-key", seed) as host:
        key = host.directory / "attestation.pem"
        check(host.vm("secret")["confidential"] and not host.vm("plain")["confidential"], "ps knows which it is")
        found = attest(host, "--key", key, "--expect", host.file, "--nonce", NONCE, "-o", report)
        check(found["good"] and found["nonce"] == NONCE.ljust(128, "0") and found["vcpus"] == 1, f"a good report: {found}")
        check(found["key_compared"] and found["measurement_compared"], f"what was asked for was not compared: {found}")
        check(attest(host)["nonce"] != attest(host)["nonce"], "two requests have the same nonce")
        check(attest(host, "--expect", found["measurement"], "--warden", found["warden"])["good"], "by digits")
        text = host.run("attest", "secret").stdout
        check("nobody vouches" in text and "(not compared)" in text, f"it does not say what was not compared: {text}")
        refused(host, found)
        elsewhere(report, key)
        host.crash("trap")
        after = attest(host, "--key", key, "--expect", host.file)
        check(after["measurement"] == found["measurement"], "another measurement after a crash of the hypervisor")
    # The seed is kept, and with it the key.
    with Host({"harts": 1}, [vm("secret", confidential=True)], "--attestation-key", seed, name="again") as host:
        again = attest(host, "--expect", host.file)
        check(again["public_key"] == found["public_key"], "another key of the same seed")
        check(again["measurement"] == found["measurement"], "the host's own business is in the measurement")


def refused(host, found):
    other = host_file("other", vm("secret", confidential=True, cmdline="elsewhere"))
    check(attest(host, "--expect", other, status=UNTRUSTED)["verdict"] == "measurement", "another command line")
    check(attest(host, "--warden", "00" * 32, status=UNTRUSTED)["verdict"] == "warden", "another warden")
    wrong = found["measurement"][:-1] + ("0" if found["measurement"][-1] != "0" else "1")
    check(attest(host, "--expect", wrong, status=UNTRUSTED)["verdict"] == "measurement", "another measurement")
    said = host.run("attest", "plain", status=REFUSED).stderr
    check("not a confidential VM" in said, f"of an ordinary VM: {said}")
    said = outlive("dump", "secret", "--on", host.name, "-o", scratch() / "core", status=REFUSED).stderr
    check("cannot read its memory" in said and not (scratch() / "core").exists(), f"a dump: {said}")


def elsewhere(report, key):
    """The report in a file, where there is no host."""
    outlive("attest", "--report", report, "--key", key, "--nonce", NONCE)
    outlive("attest", "--report", report, "--nonce", "ff", status=UNTRUSTED)
    changed = bytearray(report.read_bytes())
    changed[90] ^= 1
    (scratch() / "changed").write_bytes(changed)
    said = outlive("attest", "--report", scratch() / "changed", status=UNTRUSTED).stderr
    check("the signature is wrong" in said, f"of a report that was changed: {said}")
    outlive("attest", "--report", key, status=INVALID)


def step_stock_firmware():
    path = host_file("stock", vm("secret", confidential=True))
    said = outlive("run", "--detach", "--firmware", "stock", path, status=INVALID).stderr
    check("vms[0].confidential: stock firmware cannot" in said, f"stock firmware: {said}")


if __name__ == "__main__":
    steps.main(globals())
