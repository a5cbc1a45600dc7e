/** As it is stored: without blanks around it, and "é" as one character, which some keyboards send as two. */
export const normalEmail = (email: string): string => email.trim().normalize("NFC");

/** What two accounts never share: they don't differ by case alone. */
export const keyOfEmail = (email: string): string => normalEmail(email).toLowerCase().normalize("NFC");

/** The keys under which an account may be found, best first: earlier versions stored an email in the form that was sent. */
export const keysOfEmail = (email: string): string[] => {
  const key = keyOfEmail(email);
  return [...new Set([email.trim().toLowerCase(), key, key.normalize("NFD")])];
};
