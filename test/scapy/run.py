#!/usr/bin/python3
"""run.py SHEAF-PROCESS [WORD...]: the scripted peers; with words, the tests whose names have one of them in it.

A test is a function test_... of the modules below; its name is what it shows, with _ for a space and __ for _. It fails
by an exception.
Last line: N passed, N failed, N skipped."""
import sys
import traceback

import clone
import ikev2
import mpsa
import sheaf

MODULES = [clone, mpsa]


def name(function):
    return '_'.join(part.replace('_', ' ') for part in function.__name__.removeprefix('test_').split('__'))


def main():
    sheaf.BINARY, *words = sys.argv[1:]
    passed = failed = 0
    for module in MODULES:
        for function in [each for key, each in vars(module).items() if key.startswith('test_')]:
            what = f'{module.__name__}: {name(function)}'
            if words and not any(word in what for word in words):
                continue
            try:
                function()
            except Exception as error:
                failed += 1
                print(f'FAILED {what}')
                if not isinstance(error, ikev2.Failure):
                    traceback.print_exc()
                else:
                    place = traceback.extract_tb(error.__traceback__)
                    where = [each for each in place if each.filename == module.__file__][-1]
                    print(f'  {module.__name__}.py:{where.lineno}: {where.line}\n  {error}')
            else:
                passed += 1
                print(f'ok {what}', flush=True)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 0 if passed and not failed else 1


sys.exit(main())
