"""What everything stands on: chance, compiled code, money, time, errors, numbers, files."""
