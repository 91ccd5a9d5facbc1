"""A fleet file with every part explained: what ``demeter simulate --example`` prints."""

EXAMPLE = """\
# A fleet of simulated DLMS/COSEM meters. Run it:   demeter simulate fleet.yaml
# Check it only:   demeter simulate fleet.yaml --check
# Everything but groups (or sites, or meters) may be left out.

zone: Asia/Kolkata          # IANA time zone of the meters' stamps
seed: 7                     # keys, serials and loads follow from it: the same file, the same meters
history_days: 30            # or history_start: 2026-10-01T00:00
host: 127.0.0.1
base_port: 21000            # one port per meter, counting up from here; 0: any free port
# shared_port: 4059         # instead: all meters behind one port, told apart by their server address
control_port: 0             # JSON lines to enter faults at run time and to ask for the truth; 0: any free port

defaults:                   # for every meter, unless its group says otherwise
  interval_s: 15m           # integration period
  security:
    suite: 0                # 0, 1 or 2; what is not given is derived from the seed
    mechanism: hls-gmac     # hls, hls-md5, hls-sha1, hls-gmac, hls-sha256, hls-ecdsa
    protection: authenticated-encrypted

groups:
  - name: flats
    count: 20
    kind: single-phase      # three-phase, water
    load: household-electricity   # lift, pump, lighting; household-water, common-water
    faults:
      - {fault: dead, meters: 10%}                       # nobody reaches them
      - {fault: drift, meters: 3, seconds: 95}           # their clocks run ahead
      - {fault: offline, meters: [4], since: +2m, for: 5m}

  - name: water
    count: 20
    kind: water
    load: household-water
    faults:
      - {fault: leak, meters: 1, since: -3d, litres_per_hour: 60}

  - name: tower             # sees what the flats use, and a loss
    kind: three-phase
    role: bulk
    load: {shape: bulk, parts: [flats], loss_permille: 12}

  - name: pushing
    count: 5
    kind: single-phase
    load: {shape: steady, per_hour: 400}             # 400 Wh an hour: easy to check
    limit_w: 5000                                    # load limit; over it for limit_over_s: disconnected
    push:
      destination: 127.0.0.1:4059
      transport: tcp        # udp
      form: general-glo     # general-ciphering, plain
      every_s: 15m          # instantaneous values; alerts go out as events happen
      load_rows: 4          # and the newest rows of the load profile
      confirmed: true

  - name: line              # five meters on one HDLC line, as behind a serial server
    count: 5
    transport: hdlc         # wrapper (TCP), wrapper-udp
    port: 22000
    one_port: true
    security: {suite: 1, mechanism: hls-ecdsa}

# sites:                    # groups of a site carry its name and its time zone
#   - name: campus
#     zone: Europe/Berlin
#     groups:
#       - {name: heat, count: 2, kind: three-phase, load: {csv: heat.csv, unit_scaler: 3}}

# meters:                   # single ones, in full
#   - name: bench
#     kind: single-phase
#     serial: "4711"
#     port: 21999
#     system_title: 444d540000004711
#     encryption_key: 000102030405060708090a0b0c0d0e0f
#     authentication_key: d0d1d2d3d4d5d6d7d8d9dadbdcdddedf
#     password: reader
#     load: {csv: household.csv.gz}
"""
