// A bot: it claims each chat of the queue, and answers each message of the visitor.
import { createStaffClient } from "support-chat-client";

const url = process.env.CHAT_URL ?? "http://localhost:3000";

/** The library calls it at the start, before a token expires, and when the service refuses a token. */
async function token(_cause, signal) {
  const response = await fetch(`${url}/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: "agent1@demo.example", password: "demo-1234" }),
    signal,
  });
  const { access_token, error_message } = await response.json();
  if (!response.ok) throw new Error(error_message); // the library tries again
  return access_token;
}

const agent = createStaffClient({ url, token }).start();

agent.on("connection", (connection) => console.log("connection:", connection.state));
agent.on("queued", serve);
agent.on("message", async ({ chat, message }) => {
  if (message.by !== "visitor" || !isMine(chat)) return;
  console.log("visitor:", message.content.content);
  const stored = await agent.send(chat, { content: `You wrote: ${message.content.content}` });
  console.log("stored as number", stored.seq);
});

const isMine = (id) => agent.getSnapshot().mine.some((chat) => chat.id === id);

async function serve({ id }) {
  try {
    const chat = await agent.claim(id);
    await agent.send(id, { content: `Hello ${chat.visitor.name}!` });
  } catch (error) {
    console.log(error.message); // such as: another agent was faster
  }
}

const { queue } = await agent.ready();
for (const chat of queue) serve(chat);
