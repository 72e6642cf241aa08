"""Compare policies, measure speed, check against theory. Imports all the other folders; none of them imports this one."""
