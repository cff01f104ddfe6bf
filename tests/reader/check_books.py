#!/usr/bin/env python3
"""What programs that are not ours make of Talea's exports. Shares no code with Talea.

check_books.py FORM FILE [more] prints one line of JSON: the balances, sums or values that the outside program or standard
finds in the file. Exits 0; 2 if the file is refused (the reason on stderr). The programs: hledger (a Debian package) and
what requirements.txt names.
"""
import csv, io, json, re, subprocess, sys
from decimal import Decimal


class Bad(Exception):
    """Why a file is refused."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Bad(done.stderr or done.stdout)
    return done.stdout


def hledger(path):
    """Strict: every account and commodity declared, every transaction balanced."""
    run("hledger", "-f", path, "check", "-s")
    table = run("hledger", "-f", path, "balance", "--flat", "--empty", "-N", "-O", "csv", "--layout=bare")
    balances = {}
    for row in csv.DictReader(io.StringIO(table)):
        balances[f'{row["account"]} {row["commodity"]}'] = row["balance"]
    count = len(run("hledger", "-f", path, "print", "-O", "csv").splitlines())
    return {"balances": {name: value for name, value in balances.items() if Decimal(value)}, "rows": count}


def beancount(path):
    from beancount import loader
    from beancount.core import data

    entries, errors, _ = loader.load_file(path)
    if errors:
        raise Bad("\n".join(str(error) for error in errors))
    balances = {}
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for posting in entry.postings:
                key = f"{posting.account} {posting.units.currency}"
                balances[key] = balances.get(key, Decimal(0)) + posting.units.number
    return {"balances": {name: str(value) for name, value in balances.items() if value}, "rows": len(entries)}


FEC = ("JournalCode JournalLib EcritureNum EcritureDate CompteNum CompteLib CompAuxNum CompAuxLib PieceRef PieceDate "
       "EcritureLib Debit Credit EcritureLet DateLet ValidDate Montantdevise Idevise").split()
FILLED = set(FEC) - {"CompAuxNum", "CompAuxLib", "EcritureLet", "DateLet", "Montantdevise", "Idevise"}


def fec(path):
    """The rules of article A. 47 A-1, column by column."""
    text = open(path, encoding="utf-8", newline="").read()
    if "\r" in text or not text.endswith("\n"):
        raise Bad("lines end with a newline each")
    lines = [line.split("\t") for line in text.splitlines()]
    if lines[0] != FEC:
        raise Bad(f"columns: {lines[0]}")
    balances, sums, last, rows = {}, {}, 0, []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != 18:
            raise Bad(f"line {number} has {len(line)} columns")
        row = dict(zip(FEC, line))
        for name in FILLED:
            if not row[name].strip():
                raise Bad(f"line {number}: {name} is empty")
        for name in ("EcritureDate", "PieceDate", "ValidDate"):
            if not re.fullmatch(r"[12]\d{3}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", row[name]):
                raise Bad(f"line {number}: {name} is {row[name]}")
        for name in ("Debit", "Credit"):
            if not re.fullmatch(r"\d+(,\d+)?", row[name]):
                raise Bad(f"line {number}: {name} is {row[name]}")
        here = int(row["EcritureNum"])
        if here not in (last, last + 1):
            raise Bad(f"line {number}: EcritureNum {here} after {last}")
        last = here
        debit, credit = (Decimal(row[name].replace(",", ".")) for name in ("Debit", "Credit"))
        if bool(debit) == bool(credit):
            raise Bad(f"line {number}: one side, and only one")
        sums[here] = sums.get(here, Decimal(0)) + debit - credit
        key = f'{row["CompteNum"]}|{row["CompAuxNum"]}'
        balances[key] = balances.get(key, Decimal(0)) + debit - credit
        rows.append([here, row["EcritureDate"], row["JournalCode"], row["CompteNum"], row["CompAuxNum"], row["Debit"], row["Credit"]])
    if unequal := {number: str(value) for number, value in sums.items() if value}:
        raise Bad(f"unequal sides: {unequal}")
    return {"balances": {name: str(value) for name, value in balances.items() if value}, "rows": rows}


def sankey(path):
    """What enters a node that also gives is what leaves it."""
    rows = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    kept, gives, takes = {}, set(), set()
    for row in rows:
        value = Decimal(row["value"])
        if value <= 0:
            raise Bad(f"a flow of {value}")
        gives.add(row["source"]), takes.add(row["target"])
        kept[row["source"]] = kept.get(row["source"], Decimal(0)) - value
        kept[row["target"]] = kept.get(row["target"], Decimal(0)) + value
    lost = {node: str(kept[node]) for node in gives & takes if kept[node]}
    if lost:
        raise Bad(f"not conserved: {lost}")
    return {"rows": [[row["source"], row["target"], row["value"]] for row in rows]}


FORMS = {form.__name__: form for form in (hledger, beancount, fec, sankey)}


def main():
    form, path, *more = sys.argv[1:]
    try:
        print(json.dumps(FORMS[form](path, *more)))
    except Bad as reason:
        print(reason, file=sys.stderr)
        sys.exit(2)


main()
