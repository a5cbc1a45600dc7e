"""A visitor with python-socketio's blocking client. Each line that it reads is an event, as JSON: [name, data]."""
import json
import sys

import socketio

url, token, transport = sys.argv[1:]
sio = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
sio.on("visitor_init", lambda data: print("visitor_init", flush=True))
sio.connect(url, headers={"Authorization": token}, transports=[transport])
for line in sys.stdin:
    event, data = json.loads(line)
    try:
        answer = list(sio.call(event, data, timeout=5))
    except Exception as error:
        answer = repr(error)
    print("answer", json.dumps(answer), flush=True)
sio.disconnect()
