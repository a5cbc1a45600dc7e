"""A visitor with python-socketio's client for asyncio. Each line that it reads is an event, as JSON: [name, data]."""
import asyncio
import json
import sys

import socketio

url, token, transport = sys.argv[1:]


async def main():
    sio = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.5)
    sio.on("visitor_init", lambda data: print("visitor_init", flush=True))
    await sio.connect(url, headers={"Authorization": token}, transports=[transport])
    while line := await asyncio.to_thread(sys.stdin.readline):
        event, data = json.loads(line)
        try:
            answer = list(await sio.call(event, data, timeout=5))
        except Exception as error:
            answer = repr(error)
        print("answer", json.dumps(answer), flush=True)
    await sio.disconnect()


asyncio.run(main())
