/** As it is stored: without blanks around it, and "é" as one character, which some keyboards send as two. */
export const normalEmail = (email: string): string => email.trim().normalize("NFC");

/** No two accounts share a key: emails that differ by case alone have the same one. */
export const keyOfEmail = (email: string): string => normalEmail(email).toLowerCase().normalize("NFC");

/** The keys under which an account may be found, best first: earlier versions stored an email in the form that was sent. */
export const keysOfEmail = (email: string): string[] => {
  const key = keyOfEmail(email);
  return [...new Set([email.trim().toLowerCase(), key, key.normalize("NFD")])];
};
