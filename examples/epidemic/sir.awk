# An SIR epidemic in a closed school, compared with the boys counted in bed each day. POSIX awk.
#
#   awk -f sir.awk -v beta=1.7 -v gamma=0.45 [-v column=in_bed] in_bed.csv
#
# beta is the infection rate and gamma the recovery rate, both per day; column is the series to compare with.
# The file has one line a day, the first of which is day 1; on day 0 there is one infectious boy.
# The answer is JSON: in the file that RUNWRIGHT_RESULT names, or on standard output without it.

function fail(message) {
    print "sir.awk: " message | "cat 1>&2"
    failed = 1
    exit 2
}

function check_rate(name, value) {
    if (value !~ /^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$/ || value + 0 <= 0)
        fail(name " must be a positive number, not '" value "'; set it with -v " name "=...")
}

BEGIN {
    FS = ","
    check_rate("beta", beta)
    check_rate("gamma", gamma)
    if (column == "") column = "in_bed"
    boys = 763
    steps = 100  # Runge-Kutta steps a day: the error is far below one boy for any rates that make sense
}

NR == 1 {
    for (i = 1; i <= NF; i++) if ($i == column) field = i
    if (!field) fail("no column '" column "' in " FILENAME)
    next
}

{
    if ($field !~ /^[0-9]+$/) fail(FILENAME ", line " NR ": '" $field "' is no count")
    counted[++days] = $field
}

# How fast s susceptible and i infectious boys change: sets ds and di.
function rates(s, i,    infections) {
    infections = beta * s * i / boys
    ds = -infections
    di = infections - gamma * i
}

# One classical fourth-order Runge-Kutta step of length h for the global state (S, I).
function step(h,    s1, i1, s2, i2, s3, i3) {
    rates(S, I);                           s1 = ds; i1 = di
    rates(S + h / 2 * s1, I + h / 2 * i1); s2 = ds; i2 = di
    rates(S + h / 2 * s2, I + h / 2 * i2); s3 = ds; i3 = di
    rates(S + h * s3, I + h * i3)
    S += h / 6 * (s1 + 2 * s2 + 2 * s3 + ds)
    I += h / 6 * (i1 + 2 * i2 + 2 * i3 + di)
}

END {
    if (failed) exit 2
    if (!days) fail("no days in " FILENAME)
    S = boys - 1
    I = 1
    for (day = 1; day <= days; day++) {
        for (n = 0; n < steps; n++) {
            step(1 / steps)
            if (I > peak) { peak = I; peak_day = day - 1 + (n + 1) / steps }
        }
        sse += (I - counted[day]) ^ 2
        curve = curve (day > 1 ? ", " : "") sprintf("%.1f", I)
    }
    text = sprintf("{\"rmse\": %.9g, \"R0\": %.9g,\n", sqrt(sse / days), beta / gamma)
    text = text sprintf(" \"info\": {\"column\": \"%s\", \"sse\": %.9g, ", column, sse)
    text = text sprintf("\"peak_in_bed\": %.6g, \"peak_day\": %.6g, \"infected\": %.6g, ", peak, peak_day, boys - S)
    text = text sprintf("\"in_bed\": [%s]}}", curve)
    answer = ENVIRON["RUNWRIGHT_RESULT"]
    if (answer == "") print text
    else {
        print text > answer
        if (close(answer) != 0) fail("cannot write " answer)
    }
}
